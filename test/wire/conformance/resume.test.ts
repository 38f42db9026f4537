import { expect } from 'chai';
import type { Case } from './support/case.js';
import type { Client, Data } from './support/client.js';
import { covers } from './support/coverage.js';
import { targetOf } from './support/target.js';

const TYPE = 'custom_event';

/** Publishes `count` events of one key and resolves with their ids. */
async function publish(t: Case, count: number, more: Data = {}): Promise<string[]> {
  const key = t.name();
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    ids.push(await t.publish({ event_type: TYPE, data: { name: key, n }, ordering_key: key, ...more }));
  }
  return ids;
}

const resumed = (client: Client): Data => client.establishedData.resume as Data;
const got = (client: Client, ids: readonly string[]): unknown[] =>
  client.events.map(({ id }) => id).filter((id) => ids.includes(String(id)));

describe('resuming', () => {
  covers(
    { server: ['connection_established'] },
    'what was missed of the broadcasts follows, once and in order',
    async (t) => {
      const [seen] = await publish(t, 1);
      const first = await t.user();
      const mark = await t.publish({ event_type: TYPE, data: { seen } });
      const { position } = await first.event(mark);
      await first.close();
      const missed = await publish(t, 12);
      const back = await t.user({ query: { resume: `${position}~` } });
      expect(resumed(back).broadcast).to.equal('full');
      await back.event(missed.at(-1));
      const live = await publish(t, 2);
      await back.event(live[1]);
      expect(got(back, [mark, ...missed, ...live])).to.deep.equal([...missed, ...live]);
    },
  );

  covers(
    { server: ['connection_established'] },
    'what was targeted at an absent user waits for him, position or not',
    async (t) => {
      const first = await t.user();
      const [seen] = (await publish(t, 1, { target_user_ids: [first.userId] })) as [string];
      const { position } = await first.event(seen);
      await first.close();
      const missed = await publish(t, 3, { target_user_ids: [first.userId] });
      const back = await t.user({ query: { resume: `~${position}` } });
      expect(resumed(back)).to.deep.equal({ broadcast: 'fresh', user: 'full' });
      await back.event(missed.at(-1));
      expect(got(back, [seen, ...missed])).to.deep.equal(missed);
      await back.close();
      // Without a position: all that is not acknowledged.
      const fresh = await t.user();
      const last = await fresh.event(missed.at(-1));
      expect(got(fresh, [seen, ...missed])).to.deep.equal([seen, ...missed]);
      fresh.send('ack', { user: last.position });
      await fresh.settled();
    },
  );

  covers(
    { server: ['connection_established'] },
    'a position of another log is answered with none, a malformed one with fresh, and each scope for itself',
    async (t) => {
      const first = await t.user();
      const mark = await t.publish({ event_type: TYPE, data: {} });
      const { position } = await first.event(mark);
      const cases: [string, Data][] = [
        ['no-such-epoch.7.tag~no-such-epoch.7.tag', { broadcast: 'none', user: 'none' }],
        ['nonsense~', { broadcast: 'fresh', user: 'fresh' }],
        ['nonsense', { broadcast: 'fresh', user: 'fresh' }],
        [`${position}~nonsense`, { broadcast: 'full', user: 'fresh' }],
        [`${position}~no-such-epoch.7.tag`, { broadcast: 'full', user: 'none' }],
      ];
      for (const [resume, expected] of cases) {
        const client = await t.user({ query: { resume } });
        expect(resumed(client), resume).to.deep.equal(expected);
      }
    },
  );

  covers(
    { client: ['authenticate'], server: ['connection_established'] },
    'a position and a client in the first message count as in the query',
    async (t) => {
      const { position } = await (await t.user()).event(await t.publish({ event_type: TYPE, data: {} }));
      const missed = await publish(t, 2);
      const back = await t.dial();
      await back.opened();
      const token = t.userToken;
      back.send('authenticate', { token, resume: `${position}~` }, 'first');
      await back.established();
      expect(resumed(back).broadcast).to.equal('full');
      await back.event(missed[1]);
      expect(got(back, missed)).to.deep.equal(missed);
    },
  );

  covers(
    { server: ['connection_established'], needs: ['small'] },
    'of what has aged out of the log and the mailbox a client is told, and what is left follows',
    async (t) => {
      const target = targetOf('small');
      const { limits } = await target.info();
      expect(limits).to.be.an('object');
      const post = async (event: Data): Promise<string> => {
        const { status, body } = await t.rest('POST', '/events', { body: event, target });
        expect(status).to.equal(202);
        return String(body.event_id);
      };
      const first = await t.user({}, target.next());
      const key = t.name();
      const broadcast = { event_type: TYPE, data: { name: key }, ordering_key: key };
      const targeted = { ...broadcast, target_user_ids: [first.userId] };
      const marks = [await first.event(await post(broadcast)), await first.event(await post(targeted))];
      await first.close();
      // More than HISTORY_SIZE and MAILBOX_SIZE of that target; the log is trimmed in whole nodes of a hundred entries.
      const array = Array.from({ length: 500 }, () => broadcast);
      const { body } = await t.rest('POST', '/events', { body: array, target });
      const last = (body.event_ids as string[]).at(-1);
      const mail: string[] = [];
      for (let n = 0; n < 12; n += 1) mail.push(await post(targeted));
      const watch = await t.admin({}, target.next());
      await t.eventually(
        async () => (await t.rest('GET', `/events/${last}`, { target })).body.status === 'appended',
        'all are appended',
      );
      const resume = marks.map(({ position }) => position).join('~');
      const back = await t.user({ query: { resume } }, target.next());
      expect(resumed(back)).to.deep.equal({ broadcast: 'partial', user: 'partial' });
      await back.event(mail.at(-1));
      const user = got(back, mail);
      expect(user).to.deep.equal(mail.slice(-user.length));
      expect(user.length).to.be.lessThan(mail.length);
      await watch.settled();
      back.send('ack', { user: (await back.event(mail.at(-1))).position });
      await back.settled();
    },
  );
});
