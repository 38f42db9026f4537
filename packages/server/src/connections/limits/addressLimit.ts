import type { Clock } from '../../util/clock.js';
import { addressGroup } from './addressGroup.js';
import { Buckets } from './buckets.js';

/** Token bucket per client address: of connects, asked before any other work is done for one; of forged tokens; of plain requests. */
export class AddressLimit {
  private readonly buckets: Buckets;

  /** @param rate per second and address; 0: no limit. */
  constructor(clock: Clock, rate: number, burst: number) {
    this.buckets = new Buckets(clock, rate, burst);
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.buckets.size;
  }

  /** As `take`, and takes nothing. */
  wait(address: string): number {
    return this.buckets.wait(addressGroup(address));
  }

  /** 0 when it may go on, else the seconds after which to try again. */
  take(address: string): number {
    return this.buckets.take(addressGroup(address));
  }

  giveBack(address: string): void {
    this.buckets.giveBack(addressGroup(address));
  }
}
