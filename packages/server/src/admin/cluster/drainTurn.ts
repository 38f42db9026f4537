import { setTimeout as pause } from 'node:timers/promises';
import type { Core } from '../../core.js';
import { type HeldLock, RedisLock } from '../../redis/redisLock.js';
import { AppError } from '../../util/appError.js';

/** While another one has the turn it is asked for again this often, milliseconds. */
const AGAIN_MS = 25;

/** One node after the other: two orders at once would each see the other's node take connections, and leave none that does. */
export class DrainTurn {
  constructor(private readonly parts: Pick<Core, 'redis' | 'keys' | 'clock' | 'report'>) {}

  /**
   * @param waitMs for others' turns.
   * @param lapseMs after which it lapses, should this node die in it.
   * @returns a function that ends the turn.
   * @throws AppError CONFLICT when it did not come in time, UNAVAILABLE when Redis does not answer.
   */
  async take(waitMs: number, lapseMs: number): Promise<() => Promise<void>> {
    const { clock, report } = this.parts;
    const deadline = clock.mono() + waitMs;
    let held = await this.tried(lapseMs);
    while (held === null) {
      if (clock.mono() >= deadline) {
        throw new AppError('CONFLICT', 'Another node is being drained; try again.');
      }
      await pause(AGAIN_MS);
      held = await this.tried(lapseMs);
    }
    const { end } = held;
    return () => end().catch((error: unknown) => report(error, 'operations.drain'));
  }

  private async tried(lapseMs: number): Promise<HeldLock | null> {
    const { redis, keys, report } = this.parts;
    try {
      return await new RedisLock(redis, keys.drainTurn()).take(lapseMs);
    } catch (error) {
      report(error, 'operations.drain');
      throw new AppError('UNAVAILABLE', 'The server cannot check which other nodes accept connections; try again.', {
        cause: error,
      });
    }
  }
}
