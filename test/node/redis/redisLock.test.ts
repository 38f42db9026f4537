import { RedisLock } from '@unified-ws/server/redis/redisLock';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../support/redis.js';

describe('a lock in Redis', () => {
  let server: RedisServer;
  let redis: Redis;
  let lock: RedisLock;
  let key = '';
  let locks = 0;

  before(async () => {
    server = await startRedis();
    redis = server.client();
  });
  beforeEach(() => {
    locks += 1;
    key = `lock:${locks}`;
    lock = new RedisLock(redis, key);
  });
  after(() => server.stop());

  /** Without progress it is a string, with it a hash. */
  for (const progress of [undefined, '{"cleared_jobs":1}']) {
    const shape = progress === undefined ? 'a string' : 'a hash';

    it(`must have one holder at a time, and lapse when that one dies (${shape})`, async () => {
      expect(await lock.take(30_000, progress)).to.not.equal(null);
      expect(await lock.take(30_000, progress)).to.equal(null);
      expect(await redis.pttl(key)).to.be.within(1, 30_000);
    });

    // Seen red with the comparison in lock.lua taken out.
    it(`must not be ended or kept by a holder whose turn was over (${shape})`, async () => {
      const late = await lock.take(30_000, progress);
      await redis.del(key);
      const next = await lock.take(30_000, progress);
      await late?.end();
      expect(await late?.keep(progress)).to.equal(false);
      expect(await lock.take(30_000, progress)).to.equal(null);
      await next?.end();
      expect(await redis.exists(key)).to.equal(0);
    });

    it(`must not be taken from a node of an earlier build (${shape})`, async () => {
      if (progress === undefined) await redis.set(key, 'theirs', 'PX', 30_000, 'NX');
      else await redis.hset(key, { token: 'theirs', progress });
      expect(await lock.take(30_000, progress)).to.equal(null);
    });
  }

  it('must be held on by its progress, which everybody reads', async () => {
    const held = await lock.take(1000, 'one');
    expect(await held?.keep('two')).to.equal(true);
    expect(await lock.progress()).to.equal('two');
    await held?.end();
    expect(await lock.progress()).to.equal(null);
  });
});
