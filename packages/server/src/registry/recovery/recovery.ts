import type { Standing } from '@unified-ws/protocol';
import type { Bus } from '../../bus/bus.js';
import type { Core } from '../../core.js';
import { withTimeout } from '../../util/withTimeout.js';
import type { FailureDetector } from '../nodes/failureDetector.js';
import { BEAT_INTERVAL_MS, type Lease } from '../nodes/lease.js';
import type { Shards } from './shards.js';

type Signal = 'begin' | 'interrupt' | 'rejoin' | 'rejoined' | 'stop';

/** Every way back to `serving` passes `rejoining`. */
const NEXT: Readonly<Record<Standing, Partial<Record<Signal, Standing>>>> = {
  starting: { begin: 'rejoining', stop: 'stopped' },
  serving: { interrupt: 'interrupted', stop: 'stopped' },
  interrupted: { rejoin: 'rejoining', stop: 'stopped' },
  rejoining: { interrupt: 'interrupted', rejoined: 'serving', stop: 'stopped' },
  stopped: {},
};

const OVERSLEPT = 'the clocks of this machine stood still';
const BARRIER_MS = 1000;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1000;

interface RecoveryParts extends Pick<Core, 'clock' | 'logger' | 'report'> {
  readonly lease: Lease;
  readonly shards: Pick<Shards, 'prove' | 'away'>;
  readonly bus: Bus;
  readonly failureDetector: FailureDetector;
  /** A new lease was taken: end connections that are not yet established (4205), move everything else to the lease. */
  readonly onNewLease: () => void;
  /** Bring every established connection in line with the registry (C12). */
  readonly reconcile: () => Promise<void>;
  /** Read the logs up to their heads; delivery follows. */
  readonly catchUp: () => Promise<void>;
  /** Delivery was stopped, or continues. */
  readonly onStateChange: (recoveryState: Standing, reason: string) => void;
}

/**
 * Whether this node may take part in the cluster. After any interruption of the bus or a command link, or the loss of a shard, the node delivers
 * nothing, waits for the barrier, reconciles, catches up, and only then serves (C12, C13). Otherwise a replaced connection would get the missed events.
 */
export class Recovery {
  private readonly parts: RecoveryParts;
  private state: Standing = 'starting';
  private why = 'starting';
  private timer: NodeJS.Timeout | null = null;
  private pulsing = false;
  private rejoin: Promise<void> | null = null;
  private wake: (() => void) | null = null;

  constructor(parts: RecoveryParts) {
    this.parts = parts;
  }

  get recoveryState(): Standing {
    return this.state;
  }

  /** Why this node is not serving, '' when it is. */
  get reason(): string {
    return this.state === 'serving' ? '' : this.why;
  }

  /** The right to deliver (C6), checked before each flush and before each connection_established. */
  mayDeliver(): boolean {
    if (this.state !== 'serving') return false;
    if (this.parts.lease.isValid()) return true;
    this.interrupt('the lease ran out');
    return false;
  }

  /**
   * A message carries this cluster time, ms. If it is ahead of this node's, the clocks of its machine may have stood still, and its
   * lease may be over for other nodes: nothing is written before a round trip has confirmed the lease (C6).
   */
  hear(time: number): void {
    this.parts.lease.heard(time);
    if (this.state === 'serving' && this.parts.lease.isBehind(time)) this.interrupt(OVERSLEPT);
  }

  /** Resolves when the node serves for the first time. */
  async start(): Promise<void> {
    this.signal('begin', 'starting');
    this.timer = setInterval(() => void this.pulse(), BEAT_INTERVAL_MS);
    this.rejoin = this.run();
    await this.rejoin;
  }

  /** Stops delivery and starts the recovery. Safe to call at any time, any number of times. */
  interrupt(reason: string): void {
    if (this.state !== 'serving' && this.state !== 'rejoining') return;
    this.parts.failureDetector.reset();
    this.signal('interrupt', reason);
    this.parts.logger.warn({ reason }, 'delivery interrupted');
    this.wake?.();
    this.rejoin ??= this.run();
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    this.signal('stop', 'stopping');
    this.wake?.();
    await this.rejoin;
  }

  private signal(signal: Signal, reason: string): boolean {
    const next = NEXT[this.state][signal];
    if (next === undefined) return false;
    this.state = next;
    this.why = reason;
    this.parts.onStateChange(next, reason);
    return true;
  }

  /** Each second: renew the lease, and check whether the node may still serve. */
  private async pulse(): Promise<void> {
    const { lease, shards, report } = this.parts;
    if (this.state === 'serving' && !lease.isValid()) this.interrupt('the lease ran out');
    // While rejoining too: a reconcile of many connections may take longer than a lease.
    if (!(this.state === 'serving' || (this.state === 'rejoining' && lease.isHeld))) return;
    // Not awaited with the lease: a shard that hangs must not stop its renewal.
    void shards.prove(lease.rightMs, (reason) => this.interrupt(reason));
    if (this.pulsing) return;
    this.pulsing = true;
    try {
      const renewal = await lease.pulse();
      if (renewal === 'forgotten') this.interrupt('Redis lost its data');
      else if (renewal === 'overslept') this.interrupt(OVERSLEPT);
    } catch (error) {
      report(error, 'registry.lease');
      this.interrupt('the lease was not renewed');
    } finally {
      this.pulsing = false;
    }
  }

  /** Tries until it serves or stops. One run at a time. */
  private async run(): Promise<void> {
    let delay = RETRY_MIN_MS;
    while (this.state !== 'serving' && this.state !== 'stopped') {
      if (this.state === 'interrupted') this.signal('rejoin', this.why);
      try {
        await this.steps();
      } catch (error) {
        if (this.ended()) break;
        this.parts.report(error, 'registry.rejoin');
        this.why = error instanceof Error ? error.message : String(error);
      }
      if (this.ended()) break;
      await this.pause(delay);
      delay = Math.min(RETRY_MAX_MS, delay * 2);
    }
    this.rejoin = null;
  }

  private ended(): boolean {
    return this.state === 'serving' || this.state === 'stopped';
  }

  private async steps(): Promise<void> {
    const { lease, shards, bus, reconcile, catchUp, onNewLease, logger } = this.parts;
    const interrupted = (): boolean => this.state !== 'rejoining';
    if (lease.isLost()) {
      lease.renew();
      bus.useLease(lease.id);
      onNewLease();
    }
    // C13: first the bus subscription is confirmed, then the lease, then what depends on both.
    await bus.barrier(BARRIER_MS);
    if (interrupted()) return;
    await lease.pulse();
    if (interrupted() || lease.isLost()) return;
    // A shard that does not answer now is left out: it must not block the users of other shards. Reconcile follows in any case.
    await shards.prove(0, () => undefined);
    if (interrupted()) return;
    await reconcile();
    if (interrupted()) return;
    // Entries on a shard that is away still name the former lease.
    if (shards.away().length === 0) bus.leaveFormer();
    await catchUp();
    if (interrupted() || !lease.isValid()) return;
    const reason = this.why;
    this.signal('rejoined', '');
    logger.info({ lease: lease.id, after: reason }, 'serving');
  }

  private async pause(ms: number): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    await withTimeout(woken, ms, undefined);
    this.wake = null;
  }
}
