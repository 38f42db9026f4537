import { expect } from 'chai';
import type { Case } from './support/case.js';
import type { Client, Data } from './support/client.js';
import { covers } from './support/coverage.js';

/** The user, whose preferences are put back at the end. */
async function chooser(t: Case): Promise<Client> {
  const client = await t.user();
  const { preferences } = await client.ask('get_message_preferences', undefined, 'message_preferences');
  t.undo(async () => {
    const again = await t.user();
    await again.ask('set_message_preferences', { preferences }, 'message_preferences_updated');
  });
  return client;
}

async function choose(client: Client, preferences: Data): Promise<Data> {
  const reply = await client.ask('set_message_preferences', { preferences }, 'message_preferences_updated');
  return reply.preferences as Data;
}

describe('preferences', () => {
  covers(
    { client: ['get_message_preferences'], server: ['message_preferences'] },
    'what a user prefers, and what holds for who chose nothing, can be asked for',
    async (t) => {
      const client = await t.user();
      const { default_preferences } = await client.ask('get_message_preferences', undefined, 'message_preferences');
      expect(default_preferences).to.deep.equal({
        batch_messages: true,
        compress_data: false,
        max_message_rate: 0,
        priority_filter: 'low',
        muted_event_types: [],
        categories: [],
      });
    },
  );

  covers(
    { client: ['set_message_preferences'], server: ['message_preferences_updated'] },
    'what is given replaces what was, the rest stays, and all of it holds on the next connection too',
    async (t) => {
      const client = await chooser(t);
      const base = { batch_messages: false, max_message_rate: 500, muted_event_types: ['zone_deleted'] };
      const first = await choose(client, base);
      expect(first).to.deep.include(base);
      const second = await choose(client, { max_message_rate: 0, muted_event_types: [] });
      expect(second).to.deep.equal({ ...first, max_message_rate: 0, muted_event_types: [] });
      const again = await t.user();
      const { preferences } = await again.ask('get_message_preferences', undefined, 'message_preferences');
      expect(preferences).to.deep.equal(second);
    },
  );

  covers(
    { client: ['set_message_preferences'], server: ['validation_error'] },
    'a preference that names what there is not is refused as a whole',
    async (t) => {
      const client = await chooser(t);
      const before = await client.ask('get_message_preferences', undefined, 'message_preferences');
      const preferences = { batch_messages: false, muted_event_types: ['no_such_type'] };
      const { type, data } = await client.request('set_message_preferences', { preferences });
      expect(type).to.equal('validation_error');
      expect((data.errors as Data[])[0]?.path).to.match(/^\/preferences\/muted_event_types/);
      const after = await client.ask('get_message_preferences', undefined, 'message_preferences');
      expect(after).to.deep.equal(before);
    },
  );

  covers(
    { client: ['set_message_preferences'], server: ['message_preferences_updated'] },
    'muted types, other categories and lower priorities are not delivered; what is allowed still is',
    async (t) => {
      const client = await chooser(t);
      const mark = t.name();
      const publish = (event_type: string, more: Data = {}): Promise<string> =>
        t.publish({ event_type, data: { mark }, ordering_key: mark, ...more });
      const filters: [Data, string, Data][] = [
        [{ muted_event_types: ['zone_created'] }, 'zone_created', {}],
        [{ muted_event_types: [], categories: ['health'] }, 'zone_created', {}],
        [{ categories: [], priority_filter: 'high' }, 'zone_created', { priority: 'normal' }],
      ];
      for (const [preferences, event_type, more] of filters) {
        await choose(client, preferences);
        const hidden = await publish(event_type, more);
        // Of one ordering key: whatever was to come of the first has come before the second.
        const shown = await publish('health_update', { priority: 'high' });
        await client.event(shown);
        expect(
          client.events.map(({ id }) => id),
          JSON.stringify(preferences),
        ).to.not.include(hidden);
      }
    },
  );

  covers(
    { server: ['rate_limited'] },
    'over the chosen rate durable events come late and ephemeral ones are dropped, and the client is told',
    async (t) => {
      const client = await chooser(t);
      await choose(client, { max_message_rate: 4 });
      const mark = t.name();
      const ids: string[] = [];
      for (let n = 0; n < 8; n += 1) {
        ids.push(await t.publish({ event_type: 'custom_event', data: { name: mark, n }, ordering_key: mark }));
        await t.publish({ event_type: 'custom_event', data: { name: mark, tick: n }, delivery: 'ephemeral' });
      }
      const { data } = await client.waitFor('rate_limited');
      expect(data.retry_after_ms).to.be.a('number').that.is.greaterThan(0);
      expect(data.dropped).to.be.a('number').that.is.at.least(0);
      await client.event(ids.at(-1));
      const got = client.events.map(({ id }) => id).filter((id) => ids.includes(String(id)));
      expect(got).to.deep.equal(ids);
    },
  );
});
