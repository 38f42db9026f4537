import { randomUUID } from 'node:crypto';
import type { QueueStatusReport } from '@unified-ws/protocol';
import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import { LuaScript } from '../../redis/luaScript.js';
import { AppError } from '../../util/appError.js';

export type Clearing = NonNullable<QueueStatusReport['clearing']>;

const script = LuaScript.load('clearTurn', new URL('./lua/clearTurn.lua', import.meta.url));

/** A clear that tells nothing for this long is taken for dead, ms. */
const TURN_MS = 3000;
const RETRY_AFTER_MS = 1000;

/**
 * One clear at a time in the cluster, and how far it is, for everybody to see. That is for economy and for the eye: two at
 * once, after one was suspended beyond its turn, do no harm, since each step of a clear is atomic.
 */
export class ClearTurn {
  private readonly redis: RedisClient;
  private readonly key: string;

  constructor(redis: RedisClient, keys: Keys) {
    this.redis = redis;
    this.key = keys.clearTurn();
  }

  /**
   * `tell` is to be called more often than every 3 s.
   *
   * @throws AppError CONFLICT while another one clears.
   */
  async take(progress: Clearing): Promise<{ tell(progress: Clearing): Promise<void>; end(): Promise<void> }> {
    const token = randomUUID();
    const tell = (now: Clearing): Promise<unknown> =>
      script.run(this.redis, [this.key], [token, JSON.stringify(now), TURN_MS]);
    if ((await tell(progress)) !== 1) {
      throw new AppError('CONFLICT', 'The event queue is being cleared already.', {
        details: { retry_after_ms: RETRY_AFTER_MS },
      });
    }
    return {
      tell: async (now) => {
        await tell(now);
      },
      end: async () => {
        // Somebody else's turn is left to him.
        if ((await this.redis.hget(this.key, 'token')) === token) await this.redis.del(this.key);
      },
    };
  }

  /** The clear that is under way; null: none. */
  async read(): Promise<Clearing | null> {
    const progress = await this.redis.hget(this.key, 'progress');
    return progress === null ? null : (JSON.parse(progress) as Clearing);
  }
}
