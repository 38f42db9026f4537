import type { Clock } from '../../util/clock.js';
import { TokenBucket } from '../../util/tokenBucket.js';

/** Maximum number of buckets: a flood from many addresses must not grow the map without limit. */
const MAX_BUCKETS = 100_000;
/** Minimum time between two scans of all buckets, ms. Otherwise each new key in a flood would cause one. */
const LOOK_EVERY_MS = 1000;

/** Token buckets by key: a rate per second and a burst. */
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

  /** Number of remembered keys. */
  get size(): number {
    return this.buckets.size;
  }

  /** As `take`, without taking a token. */
  wait(key: string): number {
    if (this.rate === 0) return 0;
    const bucket = this.buckets.get(key);
    return bucket === undefined ? 0 : secondsUntil(bucket, this.clock.mono());
  }

  /** 0 when allowed, else the seconds after which to try again. */
  take(key: string): number {
    if (this.rate === 0) return 0;
    const now = this.clock.mono();
    let bucket = this.buckets.get(key);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.rate / 1000, this.burst);
      this.buckets.set(key, bucket);
    }
    if (!bucket.take(now)) return secondsUntil(bucket, now);
    // Only after taking the token: a full bucket would be dropped, and its key would have no limit.
    if (this.buckets.size > MAX_BUCKETS) this.forget(now);
    return 0;
  }

  /** Returns a token that was taken from the wrong key. */
  giveBack(key: string): void {
    this.buckets.get(key)?.giveBack();
  }

  /** Drops full buckets, which are the same as absent ones. If there are none, drops the oldest. */
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
