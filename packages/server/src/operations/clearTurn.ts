import { randomUUID } from 'node:crypto';
import type { QueueStatusReport } from '@unified-ws/protocol';
import { AppError } from '../errors.js';
import type { RedisClient } from '../redis/connect.js';
import type { Keys } from '../redis/keys.js';

export type Clearing = NonNullable<QueueStatusReport['clearing']>;

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

  /** @throws AppError CONFLICT while another one clears. */
  async take(progress: Clearing): Promise<{ tell(progress: Clearing): Promise<void>; end(): Promise<void> }> {
    const token = randomUUID();
    const text = (of: Clearing): string => JSON.stringify({ ...of, token });
    if ((await this.redis.set(this.key, text(progress), 'PX', TURN_MS, 'NX')) === null) {
      throw new AppError('CONFLICT', 'The event queue is being cleared already.', {
        details: { retry_after_ms: RETRY_AFTER_MS },
      });
    }
    return {
      tell: async (now) => {
        await this.redis.set(this.key, text(now), 'PX', TURN_MS);
      },
      end: async () => {
        // Somebody else's turn is left to him.
        if ((await this.stored())?.token === token) await this.redis.del(this.key);
      },
    };
  }

  /** The clear that is under way; null: none. */
  async read(): Promise<Clearing | null> {
    const stored = await this.stored();
    if (stored === null) return null;
    const { token: _token, ...clearing } = stored;
    return clearing;
  }

  private async stored(): Promise<(Clearing & { readonly token: string }) | null> {
    const text = await this.redis.get(this.key);
    return text === null ? null : (JSON.parse(text) as Clearing & { readonly token: string });
  }
}
