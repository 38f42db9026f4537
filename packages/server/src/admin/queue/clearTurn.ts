import type { QueueStatusReport } from '@unified-ws/protocol';
import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import { RedisLock } from '../../redis/redisLock.js';
import { AppError } from '../../util/appError.js';

export type Clearing = NonNullable<QueueStatusReport['clearing']>;

/** A clear that writes no progress for this long is taken as dead, ms. */
const TURN_MS = 3000;
const RETRY_AFTER_MS = 1000;

/**
 * One clear at a time in the cluster, with its progress visible to all nodes. This only saves work: two clears at
 * once, after one was suspended beyond its lock, do no harm, since each step of a clear is atomic.
 */
export class ClearTurn {
  private readonly lock: RedisLock;

  constructor(redis: RedisClient, keys: Keys) {
    this.lock = new RedisLock(redis, keys.clearTurn());
  }

  /**
   * Call `tell` more often than every 3 s.
   *
   * @throws AppError CONFLICT while another one clears.
   */
  async take(progress: Clearing): Promise<{ tell(progress: Clearing): Promise<void>; end(): Promise<void> }> {
    const held = await this.lock.take(TURN_MS, JSON.stringify(progress));
    if (held === null) {
      throw new AppError('CONFLICT', 'The event queue is already being cleared.', {
        details: { retry_after_ms: RETRY_AFTER_MS },
      });
    }
    return {
      tell: async (now) => {
        await held.keep(JSON.stringify(now));
      },
      end: held.end,
    };
  }

  /** The clear under way; null: none. */
  async read(): Promise<Clearing | null> {
    const progress = await this.lock.progress();
    return progress === null ? null : (JSON.parse(progress) as Clearing);
  }
}
