import type { Report } from '../../observability/log/logger.js';
import type { RedisClient } from '../../redis/connect.js';
import type { Keys } from '../../redis/keys.js';
import { LuaScript } from '../../redis/luaScript.js';
import type { Clock } from '../../util/clock.js';
import type { RegistryStore } from '../store/registryStore.js';

/**
 * An unanswered claim may still reach Redis this long afterwards, milliseconds: when a network comes back, the kernel
 * resends what the closed connection had left, with pauses that have grown to a minute or two.
 */
const DOUBT_MS = 300_000;
/** Users in doubt at most; the oldest is dropped first. */
const MAX_DOUBTFUL = 10_000;
/** Releases that Redis did not confirm are retried this often, milliseconds, at most so many at a time. */
const RETRY_MS = 500;
const RETRY_CHUNK = 500;

interface Release {
  readonly userId: string;
  readonly conn: string;
  /** '' when the claim was never answered: the entry may or may not belong to this connection (C8). */
  readonly fence: string;
}

export interface ReleasesParts {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly store: RegistryStore;
  readonly clock: Clock;
  readonly report: Report;
  /** Whether this node has a connection of the user, in whatever state. */
  readonly hasUser: (userId: string) => boolean;
  /** Whether all commands go to one server, in order. */
  readonly ordered: boolean;
}

/**
 * Takes closed connections out of the registry and keeps the lease's set of users a superset of its entries (C11). A release
 * that fails is retried until Redis confirms it (C8): closing a socket never waits for Redis.
 */
export class Releases {
  private readonly parts: ReleasesParts;
  private readonly enlistScript = LuaScript.load('enlist', new URL('./lua/enlist.lua', import.meta.url));
  private readonly queue = new Map<string, Release>();
  private readonly enlisted = new Set<string>();
  /** Users with a claim that was never answered, and until when (monotonic ms) it may still run. */
  private readonly doubtful = new Map<string, number>();
  private lease = '';
  private timer: NodeJS.Timeout | null = null;
  private running = false;

  constructor(parts: ReleasesParts) {
    this.parts = parts;
  }

  get ordered(): boolean {
    return this.parts.ordered;
  }

  get pending(): number {
    return this.queue.size;
  }

  /** A new lease starts with an empty set; the old one is left to housekeeping. */
  useLease(lease: string): void {
    this.lease = lease;
    this.enlisted.clear();
  }

  /**
   * Call before the users' claims. The claims may follow at once where commands run in the order they are sent.
   *
   * @throws when Redis did not take them.
   */
  async enlist(userIds: readonly string[]): Promise<void> {
    const added = userIds.filter((userId) => !this.enlisted.has(userId));
    if (added.length === 0) return;
    for (const userId of added) this.enlisted.add(userId);
    const { redis, keys } = this.parts;
    try {
      await this.enlistScript.run(redis, [keys.nodeUsers(this.lease)], added);
    } catch (error) {
      for (const userId of added) this.enlisted.delete(userId);
      throw error;
    }
  }

  /** Releases now and, should that fail, until it succeeds. */
  release(userId: string, conn: string, fence: string): void {
    const release = { userId, conn, fence };
    this.queue.set(conn, release);
    void this.attempt(release);
  }

  /** A claim without an answer: it may have run, or may still run, even after its release. */
  releaseUnanswered(userId: string, conn: string): void {
    this.doubtful.delete(userId);
    this.doubtful.set(userId, this.parts.clock.mono() + DOUBT_MS);
    if (this.doubtful.size > MAX_DOUBTFUL) this.doubtful.delete(this.doubtful.keys().next().value as string);
    this.release(userId, conn, '');
  }

  /** Users that may be registered under this lease without a connection here; each sweep reads their entries. */
  doubtfulUsers(): string[] {
    const now = this.parts.clock.mono();
    for (const [userId, until] of this.doubtful) {
      if (now < until) break;
      this.doubtful.delete(userId);
    }
    return [...this.doubtful.keys()].filter((userId) => !this.parts.hasUser(userId));
  }

  stop(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }

  /** Retries all pending releases once and waits for them; used when a node ends. */
  async flush(): Promise<void> {
    await Promise.all([...this.queue.values()].map((release) => this.attempt(release)));
  }

  private async attempt(release: Release): Promise<void> {
    const { store, report } = this.parts;
    try {
      await store.release(release.userId, release.conn, release.fence, '');
      this.queue.delete(release.conn);
      await this.delist(release.userId);
    } catch (error) {
      report(error, 'registry.release');
      this.timer ??= setTimeout(() => void this.retry(), RETRY_MS);
    }
  }

  private async retry(): Promise<void> {
    this.timer = null;
    if (this.running) return;
    this.running = true;
    const chunk = [...this.queue.values()].slice(0, RETRY_CHUNK);
    await Promise.all(chunk.map((release) => this.attempt(release)));
    this.running = false;
    if (this.queue.size > 0) this.timer ??= setTimeout(() => void this.retry(), RETRY_MS);
  }

  /** After the release, and only when no other connection of the user can need the entry. */
  private async delist(userId: string): Promise<void> {
    const { redis, keys, hasUser } = this.parts;
    if (!this.enlisted.has(userId) || hasUser(userId) || this.doubtful.has(userId)) return;
    this.enlisted.delete(userId);
    await redis.srem(keys.nodeUsers(this.lease), userId);
  }
}
