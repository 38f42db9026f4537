import type { Clock } from '../clock.js';
import { addressGroup } from './addressGroup.js';

/** Addresses kept at most: a flood from many must not grow the map without bound. */
const MAX_ADDRESSES = 100_000;
/** Between two looks through all of them, ms: in a flood each new address would cost one. */
const LOOK_EVERY_MS = 1000;

interface Bucket {
  tokens: number;
  at: number;
}

/** Token bucket per client address: of connects per second, asked before any other work is done for one, and of forged tokens. */
export class AddressLimit {
  private readonly buckets = new Map<string, Bucket>();
  private readonly clock: Clock;
  private readonly rate: number;
  private readonly burst: number;
  private lookAgainAt = 0;

  /** @param rate per second and address; 0: no limit. */
  constructor(clock: Clock, rate: number, burst: number) {
    this.clock = clock;
    this.rate = rate;
    this.burst = burst;
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.buckets.size;
  }

  /** As `take`, and takes nothing. */
  wait(address: string): number {
    if (this.rate === 0) return 0;
    const bucket = this.buckets.get(addressGroup(address));
    if (bucket === undefined) return 0;
    const tokens = bucket.tokens + ((this.clock.mono() - bucket.at) * this.rate) / 1000;
    return tokens >= 1 ? 0 : Math.max(1, Math.ceil((1 - tokens) / this.rate));
  }

  /** 0 when it may go on, else the seconds after which to try again. */
  take(address: string): number {
    if (this.rate === 0) return 0;
    const now = this.clock.mono();
    const group = addressGroup(address);
    let bucket = this.buckets.get(group);
    if (bucket) {
      bucket.tokens = Math.min(this.burst, bucket.tokens + ((now - bucket.at) * this.rate) / 1000);
      bucket.at = now;
    } else {
      bucket = { tokens: this.burst, at: now };
      this.buckets.set(group, bucket);
    }
    if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / this.rate));
    bucket.tokens -= 1;
    // After the token was taken: a bucket that is full would be forgotten, and its address have no limit.
    if (this.buckets.size > MAX_ADDRESSES) this.forget(now);
    return 0;
  }

  /** A bucket that is full again says no more than an absent one. Failing that the oldest goes. */
  private forget(now: number): void {
    if (now >= this.lookAgainAt) {
      this.lookAgainAt = now + LOOK_EVERY_MS;
      for (const [address, { tokens, at }] of this.buckets) {
        if (tokens + ((now - at) * this.rate) / 1000 >= this.burst) this.buckets.delete(address);
      }
    }
    for (const address of this.buckets.keys()) {
      if (this.buckets.size <= MAX_ADDRESSES) break;
      this.buckets.delete(address);
    }
  }
}
