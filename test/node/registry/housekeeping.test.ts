import { Keys } from '@unified-ws/server/redis/keys';
import { FailureDetector } from '@unified-ws/server/registry/nodes/failureDetector';
import { Housekeeping, type HousekeepingParts } from '@unified-ws/server/registry/recovery/housekeeping';
import { RegistryStore } from '@unified-ws/server/registry/store/registryStore';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../support/redis.js';

const TTL = 5000;
const RIPE = 60_000;

describe('housekeeping (C11)', function () {
  this.timeout(10_000);
  const keys = new Keys('uws');
  let server: RedisServer;
  let redis: Redis;
  let failureDetector: FailureDetector;
  let now: number;

  before(async () => {
    server = await startRedis();
    redis = server.client();
  });
  beforeEach(async () => {
    await redis.flushall();
    failureDetector = new FailureDetector(TTL);
    now = 1_000_000;
  });
  after(() => server.stop());

  function housekeeping(changes: Partial<HousekeepingParts> = {}): Housekeeping {
    return new Housekeeping({
      redis,
      keys,
      clock: { now: () => Date.now(), mono: () => now },
      failureDetector,
      store: new RegistryStore({ redis, keys, policy: 'replace' }),
      report: (error) => {
        throw error;
      },
      isServing: () => true,
      ripeMs: RIPE,
      ...changes,
    });
  }

  /** As a node left it: its beat, its users, their entries. */
  async function left(lease: string, users: readonly string[]): Promise<void> {
    await redis.hset(keys.nodes(), lease, '7');
    await redis.hset(keys.nodeInfo(lease), 'any', 'thing');
    await redis.sadd(keys.nodeUsers(lease), ...users);
    for (const user of users) await owned(user, lease);
  }

  async function owned(user: string, lease: string): Promise<void> {
    await redis.hset(keys.conn(user), { conn: `${user}@${lease}`, fence: '10', lease, facts: '{}', client: 'c' });
  }

  const conn = (user: string): Promise<string | null> => redis.hget(keys.conn(user), 'conn');

  /** The failure detector reads the beats, and again after `ms`; those named have beaten meanwhile. */
  async function pass(ms: number, ...alive: string[]): Promise<void> {
    const read = async (): Promise<Map<string, string>> => new Map(Object.entries(await redis.hgetall(keys.nodes())));
    failureDetector.observe(await read(), now, now);
    now += ms;
    for (const lease of alive) await redis.hset(keys.nodes(), lease, String(now));
    failureDetector.observe(await read(), now, now);
  }

  it('must remove what a dead lease left, and nothing that is not its own', async () => {
    await left('dead.1', ['a', 'b', 'moved']);
    await left('live.1', ['c']);
    await owned('moved', 'live.1');
    await pass(RIPE, 'live.1');
    expect(await housekeeping().run()).to.equal(2);
    expect(await Promise.all(['a', 'b', 'moved', 'c'].map(conn))).to.deep.equal(['', '', 'moved@live.1', 'c@live.1']);
    expect(await redis.hgetall(keys.conn('a')), 'the fence outlives it (C4)').to.include({ fence: '10', client: 'c' });
    expect(await redis.ttl(keys.conn('a'))).to.be.within(1, 4500);
    expect(await redis.ttl(keys.conn('c'))).to.equal(-1);
    expect(await redis.hkeys(keys.nodes())).to.deep.equal(['live.1']);
    expect(await redis.exists(keys.nodeUsers('dead.1'), keys.nodeInfo('dead.1'))).to.equal(0);
    expect(await redis.exists(keys.nodeUsers('live.1'), keys.nodeInfo('live.1'))).to.equal(2);
  });

  it('must not touch a lease that is dead but not long enough: its node may be on its way back', async () => {
    await left('dead.1', ['a']);
    await pass(RIPE - 1);
    expect(failureDetector.isDead('dead.1')).to.equal(true);
    expect(await housekeeping().run()).to.equal(0);
    expect(await conn('a')).to.equal('a@dead.1');
  });

  it('must not run on two nodes at a time', async () => {
    await left('dead.1', ['a']);
    await pass(RIPE);
    await redis.set(keys.housekeeping(), 'another', 'PX', 30_000);
    expect(await housekeeping().run()).to.equal(0);
    await redis.del(keys.housekeeping());
    expect(await housekeeping().run()).to.equal(1);
    expect(await redis.pttl(keys.housekeeping()), 'the turn ends by itself').to.be.within(1, 30_000);
  });

  it('must not run on a node that is fenced: what it knows of the others is old', async () => {
    await left('dead.1', ['a']);
    await pass(RIPE);
    expect(await housekeeping({ isServing: () => false }).run()).to.equal(0);
    expect(await conn('a')).to.equal('a@dead.1');
  });

  it('must stop in the middle when the node loses its standing, or the lease comes back', async () => {
    const users = Array.from({ length: 1000 }, (_, n) => `u${n}`);
    await left('dead.1', users);
    await pass(RIPE);
    const standing = [true, true];
    await housekeeping({ isServing: () => standing.pop() ?? false }).run();
    const remaining = await redis.scard(keys.nodeUsers('dead.1'));
    expect(remaining).to.be.within(1, 999);
    expect(await redis.hexists(keys.nodes(), 'dead.1')).to.equal(1);
    await redis.del(keys.housekeeping());
    expect(await housekeeping().run()).to.equal(remaining);
    expect(await redis.exists(keys.nodeUsers('dead.1'))).to.equal(0);
  });

  it('must not delete an entry that was claimed between its reading and its removal', async () => {
    class Slow extends RegistryStore {
      override async owner(userId: string): Promise<Awaited<ReturnType<RegistryStore['owner']>>> {
        const found = await super.owner(userId);
        await redis.hset(keys.conn(userId), { conn: 'newer', fence: '11', lease: 'live.1' });
        return found;
      }
    }
    await left('dead.1', ['a']);
    await pass(RIPE);
    const store = new Slow({ redis, keys, policy: 'replace' });
    expect(await housekeeping({ store }).run()).to.equal(0);
    expect(await conn('a')).to.equal('newer');
  });
});
