import { setTimeout as pause } from 'node:timers/promises';
import type { Core } from '../../core.js';
import { type HeldLock, RedisLock } from '../../redis/redisLock.js';
import { AppError } from '../../util/appError.js';

/** While another node drains, the lock is requested again this often, milliseconds. */
const AGAIN_MS = 25;

/** One drain at a time: with two orders at once, each would see the other's node accept connections, and no node would be left. */
export class DrainTurn {
  constructor(private readonly parts: Pick<Core, 'redis' | 'keys' | 'clock' | 'report'>) {}

  /**
   * @param waitMs how long to wait for other drains.
   * @param lapseMs after which the lock lapses if this node dies.
   * @returns a function that releases the lock.
   * @throws AppError CONFLICT when the lock was not free in time, UNAVAILABLE when Redis does not answer.
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
