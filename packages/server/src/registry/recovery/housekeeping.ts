import type { Core } from '../../core.js';
import { RedisLock } from '../../redis/redisLock.js';
import type { FailureDetector } from '../nodes/failureDetector.js';
import type { RegistryStore } from '../store/registryStore.js';

/** A lease that has been dead this long, milliseconds, is cleaned up. Correctness never depends on it (C11). */
const RIPE_MS = 60_000;
const INTERVAL_MS = 15_000;
const TURN_MS = 30_000;
const CHUNK = 200;
/** A round that takes longer counts as hung. */
const STUCK_MS = 120_000;

export interface HousekeepingParts extends Pick<Core, 'redis' | 'keys' | 'clock' | 'report'> {
  readonly failureDetector: FailureDetector;
  readonly store: RegistryStore;
  readonly isServing: () => boolean;
  /** Overrides RIPE_MS. */
  readonly ripeMs?: number;
}

/**
 * Removes what dead leases left in Redis, one node at a time. Each entry is compared before it is deleted. Entries of a dead
 * lease count as absent long before, so a run that dies half-way or never starts does no harm (C11).
 */
export class Housekeeping {
  private readonly parts: HousekeepingParts;
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<number> | null = null;
  private runningSince = 0;

  constructor(parts: HousekeepingParts) {
    this.parts = parts;
  }

  start(): void {
    this.timer = setInterval(() => void this.tick(), INTERVAL_MS);
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    await this.running?.catch((error: unknown) => this.parts.report(error, 'registry.housekeeping'));
  }

  /** Why it no longer runs; null: it runs. */
  fault(): string | null {
    return this.running !== null && this.parts.clock.mono() - this.runningSince > STUCK_MS ? 'hangs' : null;
  }

  /** One round. Returns the number of entries removed. */
  async run(): Promise<number> {
    const { redis, keys, failureDetector, clock, isServing, ripeMs = RIPE_MS } = this.parts;
    if (!isServing()) return 0;
    const ripe = failureDetector.deadFor(ripeMs, clock.mono());
    if (ripe.length === 0) return 0;
    // The lock is not released after the round: the next round begins when it lapses.
    if ((await new RedisLock(redis, keys.housekeeping()).take(TURN_MS)) === null) return 0;
    let removed = 0;
    for (const lease of ripe) removed += await this.clear(lease);
    return removed;
  }

  private async tick(): Promise<void> {
    if (this.running) return;
    this.runningSince = this.parts.clock.mono();
    this.running = this.run();
    try {
      await this.running;
    } catch (error) {
      this.parts.report(error, 'registry.housekeeping');
    } finally {
      this.running = null;
    }
  }

  private async clear(lease: string): Promise<number> {
    const { redis, keys, isServing, failureDetector } = this.parts;
    let removed = 0;
    for (;;) {
      const users = await redis.srandmember(keys.nodeUsers(lease), CHUNK);
      if (users.length === 0) break;
      if (!isServing() || !failureDetector.isDead(lease)) return removed;
      const released = await Promise.all(users.map((userId) => this.reap(userId, lease)));
      removed += released.filter(Boolean).length;
      await redis.srem(keys.nodeUsers(lease), ...users);
    }
    await redis.del(keys.nodeInfo(lease));
    await redis.hdel(keys.nodes(), lease);
    await redis.hdel(keys.nodeCards(), lease);
    return removed;
  }

  private async reap(userId: string, lease: string): Promise<boolean> {
    const { store } = this.parts;
    const owner = await store.owner(userId);
    return owner?.lease === lease && store.release(userId, owner.conn, owner.fence, lease);
  }
}
