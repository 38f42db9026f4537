import type { ClientMessageType, Standing } from '@unified-ws/protocol';
import type { Clock } from '../../util/clock.js';
import { Tally } from '../../util/tally.js';

/** Counts of this node since its start that no other part keeps. One call per occurrence, never per delivery. */
export class NodeCounts {
  /** Monotonic ms when the node was created. */
  readonly startedAt: number;
  readonly refused = new Tally();
  /** Plain HTTP requests that were refused before any work, by bucket. */
  readonly requestsRefused = new Tally();
  readonly messages = new Tally();
  /** `accepted` and `duplicate`. */
  readonly publishes = new Tally();
  /** What admins did to the event queue: `cleared_jobs`, `cleared_events`, `retried_jobs`, `deleted_jobs`. */
  readonly queueAdmin = new Tally();
  /** Connections that were established. */
  established = 0;
  /** Connections that replaced another and waited for its end. */
  replacements = 0;
  /** How often this node lost the right to deliver. */
  fencedPeriods = 0;
  private readonly clock: Clock;
  private fencedMs = 0;
  private fencedSince: number | null = null;
  private served = false;

  constructor(clock: Clock) {
    this.clock = clock;
    this.startedAt = clock.mono();
  }

  upgradeRefused(reason: string): void {
    this.refused.add(reason);
  }

  requestRefused(bucket: 'address' | 'caller'): void {
    this.requestsRefused.add(bucket);
  }

  /** @param hasReplaced whether it had to wait for another connection of its user to end. */
  connected(hasReplaced: boolean): void {
    this.established += 1;
    if (hasReplaced) this.replacements += 1;
  }

  message(type: ClientMessageType): void {
    this.messages.add(type);
  }

  published(receipt: { readonly duplicate: boolean }): void {
    this.publishes.add(receipt.duplicate ? 'duplicate' : 'accepted');
  }

  /** The recovery state changed. The start and the end of a node do not count as fencing. */
  recoveryState(recoveryState: Standing): void {
    const now = this.clock.mono();
    if (recoveryState === 'serving') {
      this.served = true;
      if (this.fencedSince !== null) this.fencedMs += now - this.fencedSince;
      this.fencedSince = null;
    } else if (recoveryState === 'interrupted' && this.served && this.fencedSince === null) {
      this.fencedPeriods += 1;
      this.fencedSince = now;
    }
  }

  /** Seconds without the right to deliver, including the current period, to the millisecond. */
  get fencedSeconds(): number {
    const running = this.fencedSince === null ? 0 : this.clock.mono() - this.fencedSince;
    return Math.round(this.fencedMs + running) / 1000;
  }

  get uptimeSeconds(): number {
    return (this.clock.mono() - this.startedAt) / 1000;
  }
}
