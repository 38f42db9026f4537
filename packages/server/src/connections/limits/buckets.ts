import type { Clock } from '../../util/clock.js';
import { TokenBucket } from '../../util/tokenBucket.js';

/** Buckets kept at most: a flood from many must not grow the map without bound. */
const MAX_BUCKETS = 100_000;
/** Between two looks through all of them, ms: in a flood each new key would cost one. */
const LOOK_EVERY_MS = 1000;

/** Token buckets by a key: so many takes a second, and so many at once. */
export class Buckets {
  private readonly buckets = new Map<string, TokenBucket>();
  private readonly clock: Pick<Clock, 'mono'>;
  private readonly rate: number;
  private readonly burst: number;
  private lookAgainAt = 0;

  /** @param rate per second and key; 0: no limit. */
  constructor(clock: Pick<Clock, 'mono'>, rate: number, burst: number) {
    this.clock = clock;
    this.rate = rate;
    this.burst = burst;
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.buckets.size;
  }

  /** As `take`, and takes nothing. */
  wait(key: string): number {
    if (this.rate === 0) return 0;
    const bucket = this.buckets.get(key);
    return bucket === undefined ? 0 : secondsUntil(bucket, this.clock.mono());
  }

  /** 0 when it may go on, else the seconds after which to try again. */
  take(key: string): number {
    if (this.rate === 0) return 0;
    const now = this.clock.mono();
    let bucket = this.buckets.get(key);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.rate / 1000, this.burst);
      this.buckets.set(key, bucket);
    }
    if (!bucket.take(now)) return secondsUntil(bucket, now);
    // After the token was taken: a bucket that is full would be forgotten, and its key have no limit.
    if (this.buckets.size > MAX_BUCKETS) this.forget(now);
    return 0;
  }

  /** What was taken comes back: it was taken for somebody else. */
  giveBack(key: string): void {
    this.buckets.get(key)?.giveBack();
  }

  /** A bucket that is full again says no more than an absent one. Failing that the oldest goes. */
  private forget(now: number): void {
    if (now >= this.lookAgainAt) {
      this.lookAgainAt = now + LOOK_EVERY_MS;
      for (const [key, bucket] of this.buckets) {
        if (bucket.isFull(now)) this.buckets.delete(key);
      }
    }
    for (const key of this.buckets.keys()) {
      if (this.buckets.size <= MAX_BUCKETS) break;
      this.buckets.delete(key);
    }
  }
}

function secondsUntil(bucket: TokenBucket, now: number): number {
  return Math.ceil(bucket.retryAfterMs(now) / 1000);
}
