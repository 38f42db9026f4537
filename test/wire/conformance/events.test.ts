import { expect } from 'chai';
import type { Client, Data } from './support/client.js';
import { covers } from './support/coverage.js';
import { TIME } from './support/frames.js';

/** A type that every user is subscribed to by default, and whose data is free. */
const TYPE = 'custom_event';

describe('events', () => {
  covers(
    { client: ['publish_event'], server: ['event_accepted', 'event'] },
    'what is published on one connection reaches the others once, whole, with its place in the log',
    async (t) => {
      const [user, admin] = [await t.user(), await t.admin()];
      const data = { name: t.name(), nested: { list: [1, 'two', null], text: 'äöü \u2028 "' } };
      const event = { event_type: TYPE, data, priority: 'high', severity: 'warning', metadata: { source: 'suite' } };
      const receipt = await admin.ask('publish_event', event, 'event_accepted');
      expect(receipt).to.include({ duplicate: false });
      for (const client of [user, admin]) {
        const frame = await client.event(receipt.event_id);
        expect(frame).to.deep.include({ type: TYPE, data, priority: 'high', severity: 'warning', scope: 'broadcast' });
        expect(frame).to.deep.include({ category: 'custom', metadata: { source: 'suite' } });
        expect(frame.timestamp).to.match(TIME);
        expect(frame.position).to.be.a('string').that.is.not.empty;
        expect(frame).to.not.have.property('reply_to');
        expect(client.events.filter(({ id }) => id === receipt.event_id)).to.have.length(1);
      }
      const [mine, theirs] = [await user.event(receipt.event_id), await admin.event(receipt.event_id)];
      expect(mine.position, 'one log, one place').to.equal(theirs.position);
    },
  );

  covers({ client: ['publish_event'], server: ['event_accepted'] }, 'events of one key keep their order', async (t) => {
    const [user, admin] = [await t.user(), await t.admin()];
    const key = t.name();
    const ids: unknown[] = [];
    for (let n = 0; n < 30; n += 1) {
      const event = { event_type: TYPE, data: { name: key, n }, ordering_key: key };
      ids.push((await admin.ask('publish_event', event, 'event_accepted')).event_id);
    }
    await user.event(ids.at(-1));
    expect(user.events.filter(({ data }) => data.name === key).map(({ data }) => data.n)).to.deep.equal(
      ids.map((_, n) => n),
    );
  });

  covers(
    { client: ['publish_event'], server: ['event_accepted'] },
    'an id that was accepted before is not delivered again, and the answer says so',
    async (t) => {
      const [user, admin] = [await t.user(), await t.admin()];
      const event = { event_type: TYPE, data: { name: 'once' }, id: t.name() };
      const first = await admin.ask('publish_event', event, 'event_accepted');
      await user.event(first.event_id);
      const again = await admin.ask('publish_event', event, 'event_accepted');
      expect(again).to.include({ event_id: first.event_id, duplicate: true, payload_differs: false });
      const changed = { ...event, data: { name: 'changed' } };
      const other = await admin.ask('publish_event', changed, 'event_accepted');
      expect(other).to.include({ event_id: first.event_id, duplicate: true, payload_differs: true });
      const last = await t.publish({ event_type: TYPE, data: { name: 'after' } });
      await user.event(last);
      expect(user.events.filter(({ id }) => id === first.event_id)).to.have.length(1);
    },
  );

  covers(
    { client: ['publish_event'], server: ['event_accepted'] },
    'an ephemeral event has no place in the log, and comes all the same',
    async (t) => {
      const [user, admin] = [await t.user(), await t.admin()];
      const event = { event_type: TYPE, data: { name: 'tick' }, delivery: 'ephemeral', conflation_key: 'k' };
      const { event_id } = await admin.ask('publish_event', event, 'event_accepted');
      expect(await user.event(event_id)).to.include({ scope: 'broadcast', position: null });
    },
  );

  covers({}, 'only those for whom it is meant receive an event', async (t) => {
    const [user, admin] = [await t.user(), await t.admin()];
    const key = t.name();
    const publish = (more: Data): Promise<string> =>
      t.publish({ event_type: TYPE, data: { name: key }, ordering_key: key, ...more });
    const hidden = [
      await publish({ exclude: [user.userId] }),
      await publish({ roles: ['admin'] }),
      await publish({ permission: 'admin:stats' }),
      await publish({ expires_at: '2020-01-01T00:00:00Z' }),
    ];
    const last = await publish({});
    await Promise.all([user.event(last), admin.event(last)]);
    const got = (client: Client): unknown[] => client.events.filter((one) => one.data.name === key).map(({ id }) => id);
    expect(got(user)).to.deep.equal([last]);
    expect(got(admin)).to.deep.equal([...hidden.slice(0, 3), last]);
  });

  covers({}, 'a type that needs a permission, and fields that do, are kept from whoever lacks it', async (t) => {
    const [user, admin] = [await t.user(), await t.admin()];
    await t.keepSubscriptions(admin, () => t.admin());
    await admin.ask('subscribe_events', { event_types: ['user_login', 'security_alert'] }, 'subscription_updated');
    const key = t.name();
    const data = { name: key, source_ip: '192.0.2.1', level: 3 };
    const publish = (event_type: string): Promise<string> => t.publish({ event_type, data, ordering_key: key });
    const login = await publish('user_login');
    const alert = await publish('security_alert');
    expect((await admin.event(login)).data).to.deep.equal(data);
    expect((await admin.event(alert)).data).to.deep.equal(data);
    expect((await user.event(alert)).data).to.deep.equal({ name: key, level: 3 });
    expect(user.events.map(({ id }) => id)).to.not.include(login);
  });

  covers({}, 'an event for one user reaches that user alone, in the scope of the user', async (t) => {
    const [user, admin] = [await t.user(), await t.admin()];
    const targeted = await t.publish({ event_type: TYPE, data: {}, target_user_ids: [user.userId] });
    const frame = await user.event(targeted);
    expect(frame.scope).to.equal('user');
    expect(frame.position).to.be.a('string');
    t.undo(async () => user.isOpen && user.send('ack', { user: frame.position }));
    const last = await t.publish({ event_type: TYPE, data: {} });
    await admin.event(last);
    expect(admin.events.map(({ id }) => id)).to.not.include(targeted);
  });

  covers(
    { client: ['ack'], routes: ['GET /users/:user_id/mailbox'] },
    'what was targeted at a user waits until it is acknowledged, and ack has no answer',
    async (t) => {
      const admin = await t.admin();
      const { user_id } = (await t.user()).establishedData;
      const path = `/users/${encodeURIComponent(String(user_id))}/mailbox`;
      const event = { event_type: TYPE, data: {}, target_user_ids: [user_id] };
      const ids = [await t.publish(event), await t.publish(event)];
      const client = await t.user();
      const last = await client.event(ids[1]);
      client.send('ack', { user: (await client.event(ids[0])).position });
      // Acknowledgements are stored in the background: the mailbox tells when.
      const waiting = async (): Promise<unknown[]> =>
        ((await t.rest('GET', path)).body.entries as { event: Data }[]).map((entry) => entry.event.id);
      await t.eventually(async () => !(await waiting()).includes(ids[0]), 'the first is forgotten');
      expect(await waiting()).to.include(ids[1]);
      client.send('ack', { user: last.position });
      await t.eventually(async () => (await waiting()).length === 0, 'the mailbox is empty');
      await client.settled();
      expect(client.frames.filter(({ type }) => type === 'error')).to.deep.equal([]);
      await admin.settled();
    },
  );

  covers(
    { client: ['publish_event'], server: ['validation_error'] },
    'an event of an unknown type, or both delayed and timed, is refused',
    async (t) => {
      const admin = await t.admin();
      const wrong: Data[] = [
        { event_type: 'no_such_type', data: {} },
        { event_type: TYPE, data: {}, delay_ms: 1, deliver_at: '2030-01-01T00:00:00Z' },
        { event_type: TYPE },
        { event_type: TYPE, data: {}, id: 'not an id' },
      ];
      for (const event of wrong) {
        const { data } = await admin.request('publish_event', event);
        expect(data, JSON.stringify(event)).to.include({ error_code: 'VALIDATION_ERROR', recoverable: true });
        await admin.settled();
      }
    },
  );
});
