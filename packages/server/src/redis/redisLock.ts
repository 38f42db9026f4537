import { randomUUID } from 'node:crypto';
import type { RedisClient } from './connect.js';
import { LuaScript } from './luaScript.js';

const script = LuaScript.load('lock', new URL('./lua/lock.lua', import.meta.url));

/** A lock that its taker has, until it lapses. */
export interface HeldLock {
  /** Puts its lapse off. @returns false when it had lapsed, and another has it. */
  keep(progress?: string): Promise<boolean>;
  /** Does nothing to a lock that had lapsed and is another's. */
  end(): Promise<void>;
}

/**
 * A lock in Redis: one holder in the cluster at a time, also on a full Redis. It lapses by itself, so it saves work and does not protect
 * data: a holder that was suspended goes on beside the next one.
 */
export class RedisLock {
  private readonly redis: RedisClient;
  private readonly key: string;

  constructor(redis: RedisClient, key: string) {
    this.redis = redis;
    this.key = key;
  }

  /**
   * @param ttlMs after which it lapses, unless it is kept or ended.
   * @param progress what others may read of the holder; a lock is always taken with it, or always without.
   * @returns null while another has it.
   */
  async take(ttlMs: number, progress?: string): Promise<HeldLock | null> {
    const token = randomUUID();
    const call = async (ttl: number, now: string | undefined): Promise<boolean> =>
      (await script.run(this.redis, [this.key], now === undefined ? [token, ttl] : [token, ttl, now])) === 1;
    if (!(await call(ttlMs, progress))) return null;
    return {
      keep: (now) => call(ttlMs, now),
      end: async () => {
        await call(0, progress);
      },
    };
  }

  /** The progress of its holder; null: nobody has the lock. */
  progress(): Promise<string | null> {
    return this.redis.hget(this.key, 'progress');
  }
}
