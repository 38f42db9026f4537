import { randomUUID } from 'node:crypto';
import type { RedisClient } from './connect.js';
import { LuaScript } from './luaScript.js';

const script = LuaScript.load('lock', new URL('./lua/lock.lua', import.meta.url));

/** A lock that is held until it is released or lapses. */
export interface HeldLock {
  /** Extends the lock. @returns false when it had lapsed and another holder has it. */
  keep(progress?: string): Promise<boolean>;
  /** Releases the lock. Does nothing when it had lapsed and another holder has it. */
  end(): Promise<void>;
}

/**
 * A lock in Redis: one holder in the cluster at a time, also on a full Redis. It lapses by itself, so it saves work but does not protect
 * data: a holder that was suspended continues beside the next one.
 */
export class RedisLock {
  private readonly redis: RedisClient;
  private readonly key: string;

  constructor(redis: RedisClient, key: string) {
    this.redis = redis;
    this.key = key;
  }

  /**
   * @param ttlMs the lock lapses after this unless it is extended or released.
   * @param progress of the holder, readable by others; use a lock always with progress, or always without.
   * @returns null while another holder has it.
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

  /** The progress of the holder; null: the lock is free. */
  progress(): Promise<string | null> {
    return this.redis.hget(this.key, 'progress');
  }
}
