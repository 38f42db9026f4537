import { TokenBucket } from '../../util/tokenBucket.js';

/** Rates are per minute. */
const MINUTE_MS = 60_000;
/** Of a minute's events a sixth may come at once. A whole minute's worth would let twice the rate into one minute. */
const BURSTS_PER_MINUTE = 6;
/** Types times users; beyond it the oldest is forgotten, and its rate begins anew. */
const MAX_LIMITERS = 10_000;

/** The rate of one type, for all (broadcast) or for one user, and the latest values that wait for it, by key. */
export class Limiter<T> {
  readonly rate: number;
  readonly held = new Map<string, T>();
  private readonly bucket: TokenBucket;

  constructor(rate: number) {
    this.rate = rate;
    this.bucket = new TokenBucket(rate / MINUTE_MS, Math.max(1, Math.floor(rate / BURSTS_PER_MINUTE)));
  }

  /** False: not now, or others wait already. */
  take(now: number): boolean {
    return this.held.size === 0 && this.bucket.take(now);
  }

  /** As many of those that wait as may go. */
  release(now: number, emit: (item: T) => void): void {
    for (const [slot, item] of this.held) {
      if (!this.bucket.take(now)) return;
      this.held.delete(slot);
      emit(item);
    }
  }

  retryAfterMs(now: number): number {
    return this.bucket.retryAfterMs(now);
  }
}

/** The rates of ephemeral types: per type for broadcast events, which everybody gets alike, per user and type for targeted ones. */
export class Limiters<T> {
  /** Monotonic ms when the first of what is held back may go. */
  dueAt = Number.POSITIVE_INFINITY;
  private readonly all = new Map<string, Limiter<T>>();
  private readonly holding = new Set<Limiter<T>>();

  of(user: string | null, type: string, rate: number): Limiter<T> {
    const key = user === null ? type : `${type} ${user}`;
    const known = this.all.get(key);
    if (known && known.rate === rate) return known;
    const made = new Limiter<T>(rate);
    // Another rate by a new catalogue: what waits goes on waiting, by the new one.
    if (known) {
      for (const [slot, item] of known.held) made.held.set(slot, item);
      if (this.holding.delete(known)) this.holding.add(made);
    } else if (this.all.size >= MAX_LIMITERS) {
      // One that holds something back is still reached through `holding`.
      for (const oldest of this.all.keys()) {
        this.all.delete(oldest);
        break;
      }
    }
    this.all.set(key, made);
    return made;
  }

  /** Keeps the item until its rate allows it. Returns the one of the same slot that it replaces. */
  hold(limiter: Limiter<T>, slot: string, item: T, now: number): T | undefined {
    const replaced = limiter.held.get(slot);
    limiter.held.set(slot, item);
    this.holding.add(limiter);
    this.dueAt = Math.min(this.dueAt, now + limiter.retryAfterMs(now));
    return replaced;
  }

  /** Lets go what may go now. */
  release(now: number, emit: (item: T) => void): void {
    if (now < this.dueAt) return;
    this.dueAt = Number.POSITIVE_INFINITY;
    for (const limiter of this.holding) {
      limiter.release(now, emit);
      if (limiter.held.size === 0) this.holding.delete(limiter);
      else this.dueAt = Math.min(this.dueAt, now + limiter.retryAfterMs(now));
    }
  }

  /** Forgets what is held back. The rates stay. */
  clear(): void {
    for (const limiter of this.holding) limiter.held.clear();
    this.holding.clear();
    this.dueAt = Number.POSITIVE_INFINITY;
  }
}
