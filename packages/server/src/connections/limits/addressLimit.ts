import type { Clock } from '../../util/clock.js';
import { addressGroup } from './addressGroup.js';
import { Buckets } from './buckets.js';

/** Token buckets per client address: for connects, forged tokens, and plain requests. Checked before any other work. */
export class AddressLimit {
  private readonly buckets: Buckets;

  /** @param rate per second and address; 0: no limit. */
  constructor(clock: Clock, rate: number, burst: number) {
    this.buckets = new Buckets(clock, rate, burst);
  }

  /** Number of remembered addresses. */
  get size(): number {
    return this.buckets.size;
  }

  /** As `take`, without taking a token. */
  wait(address: string): number {
    return this.buckets.wait(addressGroup(address));
  }

  /** 0 when allowed, else the seconds after which to try again. */
  take(address: string): number {
    return this.buckets.take(addressGroup(address));
  }

  giveBack(address: string): void {
    this.buckets.giveBack(addressGroup(address));
  }
}
