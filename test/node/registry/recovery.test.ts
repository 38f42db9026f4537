import { parsePosition } from '@unified-ws/protocol';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { TestClient } from '../../support/client.js';
import { RedisProxy } from '../../support/redisProxy.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { logOf, storedEvent } from '../support/events.js';
import { expectMessage } from '../support/schemas.js';
import { type LocalNode, World } from '../support/world.js';

const numbers = (client: TestClient): unknown[] => client.events.map((frame) => frame.data.n);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const gaps = (client: TestClient): unknown[] => client.frames.filter((frame) => frame.type === 'gap');

describe('a node that missed something', function () {
  this.timeout(15_000);
  const world = new World();
  let node: LocalNode;
  let redis: Redis;

  before(async () => {
    await world.start();
    redis = world.redis.client();
    node = await world.node({ HEARTBEAT_INTERVAL_MS: '200' });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  /** Ends every connection of the node to Redis, at Redis. */
  async function cutOff(nodeId: string): Promise<void> {
    const ids = await until(
      async () => {
        const list = String(await redis.client('LIST')).split('\n');
        const own = list.filter((line) => line.includes(` name=${nodeId}:`));
        return own.length >= 4 && own.map((line) => /id=(\d+)/.exec(line)?.[1] ?? '');
      },
      { what: 'command, subscriber, producer and worker are connected' },
    );
    await Promise.all(ids.map((id) => redis.call('CLIENT', 'KILL', 'ID', id)));
  }

  it('a hole in the bus must be filled from the log before anything after it is delivered', async () => {
    const client = await world.connect(node);
    const [heard, lost] = [logOf(world.redis), logOf(world.redis, 'lost')];
    for (let n = 0; n < 30; n += 1) {
      const log = n % 4 === 0 || n === 29 ? heard : lost;
      await log.append([storedEvent({ n })]);
    }
    await client.waitFor('custom_event', (frame) => frame.data.n === 29);
    expect(numbers(client)).to.deep.equal(upTo(30));
    expect(gaps(client)).to.deep.equal([]);
  });

  it('a lost last event must not wait for the next one, which may never come (L4)', async () => {
    const client = await world.connect(node);
    const startedAt = systemClock.mono();
    await logOf(world.redis, 'lost').append([storedEvent({ n: 0 }), storedEvent({ n: 1 })]);
    const last = await client.waitFor('custom_event', (frame) => frame.data.n === 1);
    expect(last.at - startedAt).to.be.lessThan(3500);
    expect(numbers(client)).to.deep.equal([0, 1]);
    await client.waitFor('heartbeat', ({ data }) => {
      return (data.positions as { broadcast: string }).broadcast === last.position;
    });
  });

  it('a subscription that breaks under load must lose nothing, repeat nothing and keep the order', async () => {
    const client = await world.connect(node);
    const log = logOf(world.redis);
    const count = 600;
    for (let n = 0; n < count; n += 1) {
      await log.append([storedEvent({ n })]);
      if (n % 150 === 75) await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    }
    await client.waitFor('custom_event', (frame) => frame.data.n === count - 1);
    expect(numbers(client)).to.deep.equal(upTo(count));
    expect(gaps(client)).to.deep.equal([]);
  });

  it('connections to Redis that are all cut must cost no client its own', async () => {
    const user = world.user();
    const client = await world.connect(node, user);
    const log = logOf(world.redis);
    for (let n = 0; n < 300; n += 1) {
      await log.append([storedEvent({ n })]);
      if (n !== 100 && n !== 200) continue;
      await until(async () => (await node.readiness()) === 200, { what: 'the node serves' });
      await cutOff('n1');
    }
    await client.waitFor('custom_event', (frame) => frame.data.n === 299);
    expect(numbers(client)).to.deep.equal(upTo(300));
    expect((await world.entry(redis, user)).conn).to.equal(client.establishedData?.connection_id);
    expect((await client.request('subscribe_events', { event_types: ['zone_imported'] })).type).to.be.oneOf([
      'subscription_updated',
      'error',
    ]);
  });

  it('events that are gone from the log must be announced as a gap, and the rest delivered', async () => {
    const client = await world.connect(node);
    await logOf(world.redis).append([storedEvent({ n: 'before' })]);
    const before = await client.waitFor('custom_event');
    // An append trims only a little more than it adds.
    await redis.xtrim('uws:{log}:s', 'MAXLEN', 1);
    await logOf(world.redis, 'lost', 5).append(upTo(40).map((n) => storedEvent({ n })));
    const [at = 0] = (await logOf(world.redis, 'heard', 5).append([storedEvent({ n: 40 })])).offsets;
    await client.waitFor('custom_event', (frame) => frame.data.n === 40);
    const gap = await client.waitFor('gap');
    expectMessage(gap, 'gap');
    expect(gap.data).to.include({ scope: 'broadcast', reason: 'trimmed', from: before.position });
    const first = client.events[1];
    expect(gap.data.to).to.equal(first?.position);
    const offsets = client.events.slice(1).map((frame) => parsePosition(String(frame.position))?.offset);
    expect(offsets).to.deep.equal(upTo(offsets.length).map((n) => at - offsets.length + 1 + n));
    expect(client.frames.indexOf(gap)).to.be.lessThan(client.frames.indexOf(first as never));
  });

  it('a log that went back under the same epoch must not be taken for old news (L1)', async () => {
    const log = logOf(world.redis);
    const client = await world.connect(node);
    await log.append(upTo(3).map((n) => storedEvent({ n })));
    await client.waitFor('custom_event', (frame) => frame.data.n === 2);
    // As after a fail-over to a replica that lagged by two events: their offsets are given to others.
    const back = parsePosition(String(client.events[0]?.position));
    const kept = await redis.xrange('uws:{log}:s', '-', `${back?.offset}-0`);
    await redis.del('uws:{log}:s');
    for (const [id, fields] of kept) await redis.xadd('uws:{log}:s', id, ...fields);
    await redis.hset('uws:{log}:meta', { offset: String(back?.offset), tag: String(back?.tag) });
    await log.append([storedEvent({ n: 'other 1' }), storedEvent({ n: 'other 2' })]);
    const gap = await client.waitFor('gap');
    expect(gap.data).to.include({ reason: 'log_reset', from: client.events[2]?.position });
    await log.append([storedEvent({ n: 'next' })]);
    await client.waitFor('custom_event', (frame) => frame.data.n === 'next');
    // What was published after the fail-over is not lost, though it has the offsets of what was.
    expect(numbers(client)).to.deep.equal([0, 1, 2, 'other 1', 'other 2', 'next']);
    // The epoch is another: a position of the lost part must not pass for one of what took its place.
    const old = await world.connect(node, world.user(), ['user'], { resume: `${client.events[2]?.position}~` });
    expect(old.establishedData?.resume.broadcast).to.equal('none');
    expect(parsePosition(String(client.events.at(-1)?.position))?.epoch).to.not.equal(back?.epoch);
  });

  it('a Redis that lost everything must be announced, and all be as before without a restart', async () => {
    const user = world.user();
    const [client, admin] = await Promise.all([world.connect(node, user), world.admin(node)]);
    await logOf(world.redis).append([storedEvent({ n: 0 })]);
    const before = await client.waitFor('custom_event');
    const fence = client.establishedData?.fence ?? 0;
    await redis.flushall();
    const gap = await client.waitFor('gap');
    expect(gap.data).to.include({ scope: 'broadcast', reason: 'log_reset', from: before.position });
    const entry = await until(
      async () => {
        const found = await world.entry(redis, user);
        return found.conn !== undefined && found;
      },
      { what: 'the entry is written again' },
    );
    expect(entry.conn).to.equal(client.establishedData?.connection_id);
    expect(Number(entry.fence)).to.be.at.least(fence);
    const published = await until(
      async () => {
        const answer = await admin.request('publish_event', { event_type: 'custom_event', data: { n: 1 } });
        return answer.type === 'event_accepted' && answer;
      },
      { what: 'publishing works', everyMs: 100 },
    );
    await client.waitFor('custom_event', (frame) => frame.id === published.data.event_id);
    const status = await client.ask('get_connection_status', {}, 'connection_status');
    expect(String(status.fence)).to.equal((await world.entry(redis, user)).fence);
    expect(client.isOpen && admin.isOpen).to.equal(true);
    // Q4: else two nodes work on one partition at a time, and the order of a key is gone.
    await until(async () => (await redis.hget('{uws:q0}:events-0:meta', 'concurrency')) === '1', {
      timeoutMs: 8000,
      what: 'one job at a time again',
    });
  });
});

describe('a node that is cut off', function () {
  this.timeout(30_000);
  const world = new World();
  let near: LocalNode;
  let far: LocalNode;
  let proxy: RedisProxy;
  let redis: Redis;

  before(async () => {
    await world.start();
    redis = world.redis.client();
    proxy = await RedisProxy.start(world.redis.port);
    const env = { LEASE_TTL_MS: '3000', REPLACE_TIMEOUT_MS: '4000' };
    near = await world.node({ NODE_ID: 'near', ...env });
    far = await world.node({ NODE_ID: 'far', REDIS_URL: proxy.url, ...env });
  });
  afterEach(async () => {
    proxy.heal();
    await world.endClients();
    await until(async () => (await far.readiness()) === 200, { timeoutMs: 10_000, what: 'the far node serves again' });
  });
  after(async () => {
    await world.stop();
    await proxy.stop();
  });

  it('from the bus alone, it must say so within 5 s, and deliver what it missed once it hears again (C6, G7)', async () => {
    const client = await world.connect(far);
    const log = logOf(world.redis);
    await log.append([storedEvent({ n: 0 })]);
    await client.waitFor('custom_event');
    proxy.onLink = (link) => link.hold('down');
    proxy.subscriber.hold('down');
    const startedAt = systemClock.mono();
    let n = 1;
    const reasons = await until(
      async () => {
        await log.append([storedEvent({ n: n++ })]);
        const response = await fetch(`${far.http}/readyz`);
        const body = (await response.json()) as { reasons: string[] };
        return response.status === 503 && body.reasons;
      },
      { everyMs: 50, what: 'not ready' },
    );
    expect(systemClock.mono() - startedAt).to.be.lessThan(5000);
    // The right to deliver may run out a moment before the silence itself is too long: either names the bus.
    expect(reasons.join()).to.match(/bus/);
    expect(client.events).to.have.length(1);
    proxy.heal();
    await client.waitFor('custom_event', (frame) => frame.data.n === n - 1);
    expect(numbers(client)).to.deep.equal(upTo(n));
    expect(gaps(client)).to.deep.equal([]);
    expect(client.isOpen).to.equal(true);
  });

  // With the time of the last subscription taken out of the watchdog, a second connection is made.
  it('from the bus for a moment, it must not drop the connection that is coming back already', async () => {
    const passed = async (ms: number): Promise<void> => {
      const dueAt = systemClock.mono() + ms;
      await until(() => systemClock.mono() >= dueAt, { what: 'time passes' });
    };
    // Longer ago than the silence that the watchdog allows after a reconnect.
    await passed(2700);
    let made = 0;
    proxy.onLink = (link) => {
      made += 1;
      link.hold('down');
    };
    proxy.subscriber.destroy();
    // A tick of the watchdog lies within this, and the silence is not yet too long.
    await passed(1200);
    proxy.heal();
    await until(async () => (await far.readiness()) === 200, { what: 'it serves again' });
    expect(made).to.equal(1);
  });

  it('from Redis, it must deliver nothing to a user who is connected elsewhere by now, and then let go of him', async () => {
    const [gone, stays] = [world.user(), world.user()];
    const [old, kept] = await Promise.all([world.connect(far, gone), world.connect(far, stays)]);
    const log = logOf(world.redis);
    await log.append([storedEvent({ n: 0 })]);
    await Promise.all([old.waitFor('custom_event'), kept.waitFor('custom_event')]);
    proxy.partition();
    const newer = world.dial(near, { token: token(gone) });
    await newer.established();
    const establishedAt = newer.establishedAt;
    for (let n = 1; n <= 10; n += 1) await log.append([storedEvent({ n })]);
    await newer.waitFor('custom_event', (frame) => frame.data.n === 10);
    expect(old.ending).to.equal(null);
    proxy.heal();
    expect(await old.closed()).to.include({ code: 4001 });
    await kept.waitFor('custom_event', (frame) => frame.data.n === 10);
    expect(numbers(newer)).to.deep.equal(upTo(11).slice(1));
    expect(numbers(kept), 'the others miss nothing').to.deep.equal(upTo(11));
    const late = old.frames.filter((frame) => frame.at > establishedAt);
    expect(late, 'nothing for the replaced one').to.deep.equal([]);
    const entry = await world.entry(redis, gone);
    expect(entry).to.include({
      conn: newer.establishedData?.connection_id,
      fence: String(newer.establishedData?.fence),
    });
  });

  // Seen red without the comparison of fences in decideEntry and claim.lua: the older connection took its place back.
  it('from Redis, where the evict got lost too, it must not take the place of who is connected elsewhere by now (C4, C12)', async () => {
    const user = world.user();
    const old = await world.connect(far, user);
    proxy.partition();
    // What was published to it meanwhile is gone for good, not late.
    proxy.subscriber.destroy();
    const newer = world.dial(near, { token: token(user) });
    await newer.established();
    expect(old.ending).to.equal(null);
    proxy.heal();
    expect(await old.closed()).to.include({ code: 4001 });
    await newer.request('ping');
    const entry = await world.entry(redis, user);
    expect(entry).to.include({
      conn: newer.establishedData?.connection_id,
      fence: String(newer.establishedData?.fence),
    });
  });

  it('while it waits for Redis, what needs it must be refused, and the rest answered', async () => {
    const admin = await world.admin(far);
    proxy.partition();
    const answers = await Promise.all([
      admin.request('subscribe_events', { event_types: ['zone_imported'] }),
      admin.request('publish_event', { event_type: 'custom_event', data: {} }),
      admin.request('disconnect_user', { user_id: 'anybody' }),
      admin.request('ping'),
    ]);
    expect(answers.map(({ type, data }) => (type === 'error' ? data.error_code : type))).to.deep.equal([
      'UNAVAILABLE',
      'UNAVAILABLE',
      'UNAVAILABLE',
      'pong',
    ]);
    await until(async () => (await far.readiness()) === 503, { what: 'not ready' });
    const late = world.dial(far, { token: token(world.user()) });
    expect(await late.closed()).to.include({ status: 503 });
    expect(late.ending?.retryAfterS).to.be.greaterThan(0);
  });
});
