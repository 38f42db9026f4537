import { REST_BASE } from '@unified-ws/protocol';
import { Keys } from '@unified-ws/server/redis/keys';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { StepClock } from '../../support/stepClock.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type LocalNode, World } from '../support/world.js';

const MINUTES = 60_000;
const ADMIN = token('step-admin', { roles: ['admin'] });
const keys = new Keys('uws');

/** What is kept for less than the step: a clock that is believed ends it at once. */
const SHORT = {
  MAILBOX_TTL_MS: String(5 * MINUTES),
  HISTORY_TTL_MS: String(5 * MINUTES),
  MAX_TOKEN_AGE_MS: String(5 * MINUTES),
};

// Seen red with a cluster time that follows the clock of Redis, and times to live without slack.
for (const minutes of [10, -10]) {
  describe(`a Redis whose clock steps by ${minutes} min`, function () {
    this.timeout(30_000);
    const world = new World();
    let redisClock: StepClock;
    let redis: Redis;
    let node: LocalNode;
    let banned = '';
    let revoked = '';
    let kicked = '';
    let away = '';
    let resume = '';

    const call = async (method: string, path: string, body?: unknown): Promise<Response> =>
      fetch(`${node.http}${REST_BASE}${path}`, {
        method,
        headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });

    const sent = async (event: Readonly<Record<string, unknown>>): Promise<void> => {
      const response = await call('POST', '/events', { event_type: 'custom_event', ...event });
      expect(response.status, await response.text()).to.equal(202);
    };

    before(async () => {
      redisClock = new StepClock();
      await world.start({ clock: redisClock });
      redis = world.redis.client();
      node = await world.node(SHORT);
      [banned, revoked, kicked, away] = [world.user(), world.user(), world.user(), world.user()];
      await call('POST', `/disconnect/${banned}`, { reason: 'r', ban_seconds: 300 });
      await call('POST', `/users/${revoked}/revoke`, { session: 's-1' });
      await call('POST', `/users/${kicked}/permissions-changed`, { permissions: [] });
      await (await world.connect(node, away)).close();
      await until(async () => (await world.entry(redis, away)).conn === '', { what: 'the release' });
      await sent({ id: 'mail', data: { n: 1 }, target_user_ids: [away] });
      const reader = await world.connect(node);
      await sent({ id: 'first', data: { n: 1 } });
      await reader.waitFor('custom_event', ({ data }) => data.n === 1);
      resume = `${String(reader.establishedData?.positions.broadcast)}~`;
      await until(async () => (await redis.exists(keys.box(away))) === 1, { what: 'the mailbox' });
      // A fail-over to a machine that is off.
      redisClock.set(minutes * MINUTES);
      await world.redis.client().ping();
    });

    after(async () => {
      await world.stop();
      redisClock.remove();
    });

    it('must end no ban, void token or fence early', async () => {
      expect((await world.dial(node, { token: token(banned) }).ended).code).to.equal(4003);
      expect((await world.dial(node, { token: token(revoked, { claims: { sid: 's-1' } }) }).ended).code).to.equal(4102);
      expect(await redis.exists(keys.revoked(kicked)), 'the override').to.equal(1);
      const fence = Number((await world.entry(redis, away)).fence);
      expect(fence, 'the fence').to.be.closeTo(Date.now(), 30_000);
    });

    it('must void no good token', async () => {
      await (await world.connect(node)).close();
    });

    it('must trim no mailbox and no log early, nor forget an id, and keep times in order', async () => {
      await sent({ id: 'mail', data: { n: 1 }, target_user_ids: [away] });
      await sent({ id: 'mail-2', data: { n: 2 }, target_user_ids: [away] });
      await sent({ id: 'first', data: { n: 1 } });
      await sent({ id: 'second', data: { n: 2 } });
      const client = await world.connect(node, away, ['user'], { resume });
      await until(() => client.events.length >= 4, { what: 'all that was kept' });
      const got = client.events.map(({ id }) => String(id).split('_').at(-1));
      expect(got.sort()).to.deep.equal(['first', 'mail', 'mail-2', 'second']);
      expect(client.frames.filter(({ type }) => type === 'gap')).to.deep.equal([]);
      const times = (await redis.xrange(keys.logStream(), '-', '+')).map(([, fields]) => Number(fields[3]));
      expect(times).to.deep.equal([...times].sort((a, b) => a - b));
      for (const time of times) expect(time).to.be.closeTo(Date.now(), 30_000);
    });

    it('must release a delayed event when it was meant', async () => {
      const client = await world.connect(node);
      const askedAt = performance.now();
      await sent({ data: { n: 9 }, delay_ms: 2000 });
      await client.waitFor('custom_event', ({ data }) => data.n === 9, 10_000);
      expect(performance.now() - askedAt).to.be.within(2000, 3500);
    });

    it('must be told', async () => {
      const reported = await until(
        async () => {
          const { notices } = (await (await fetch(`${node.http}/readyz`)).json()) as { notices: string[] };
          return notices.find((text) => text.includes('the clock of Redis (main)')) ?? null;
        },
        { what: 'a notice', timeoutMs: 8000, everyMs: 100 },
      );
      expect(reported).to.match(minutes > 0 ? /10 min ahead/ : /10 min behind/);
    });
  });
}
