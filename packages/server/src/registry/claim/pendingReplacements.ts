import { CLOSE } from '@unified-ws/protocol';
import type { Bus } from '../../bus/bus.js';
import type { Clock } from '../../util/clock.js';
import type { FailureDetector } from '../nodes/failureDetector.js';
import type { Claimant, ReplacedOwner } from '../store/registryTypes.js';

/** An unanswered evict is sent again after this, milliseconds, then after twice as long, up to the longest (C2). */
const RESEND_MS = 250;
const MAX_RESEND_MS = 2000;
/** Pending replacements are looked at this often, milliseconds, and so many at a time: thousands wait when a node with all their predecessors dies. */
const TICK_MS = 50;
const MAX_PER_TICK = 64;

export interface PendingReplacementsParts {
  readonly bus: Bus;
  readonly failureDetector: FailureDetector;
  readonly clock: Clock;
  readonly clusterTime: Pick<Clock, 'now'>;
  /**
   * REPLACE_TIMEOUT_MS. Longer than a lease, so the old owner has lost the right to deliver by then. If the owner's node has a
   * longer lease, the wait is as long as that lease needs.
   */
  readonly timeoutMs: number;
}

/** Shared empty set: most claimers get no early confirmation. */
const NONE: ReadonlySet<string> = new Set();

interface Pending {
  readonly claimant: Claimant;
  readonly lease: string;
  /** By connection id. Own-client entries are re-sent to but not waited for (C5). */
  readonly unconfirmed: Map<string, ReplacedOwner>;
  /** Monotonic ms. */
  readonly since: number;
  /** When the evicts are sent again, monotonic ms, and after how long once more. */
  resendAt: number;
  resendMs: number;
  /** Called once, when no owner is left that must be waited for. */
  ready: (() => void) | null;
  /** Called when the last own-client entry is confirmed after that. */
  onOwnConfirmed: (() => void) | null;
}

/** Replaced owners that have not confirmed yet, for all claimers of this node (C2, C5). One timer for all. */
export class PendingReplacements {
  private readonly parts: PendingReplacementsParts;
  private readonly pending = new Map<string, Pending>();
  /** Confirmations that came before the claim's own answer, by announced claimer. */
  private readonly early = new Map<string, ReadonlySet<string>>();
  private timer: NodeJS.Timeout | null = null;

  constructor(parts: PendingReplacementsParts) {
    this.parts = parts;
  }

  get size(): number {
    return this.pending.size;
  }

  /**
   * Call before a claim is sent: its evicts may be confirmed before the claim is answered. Without this call such a confirmation is lost
   * until the evict is repeated. `wait` or `forget` ends it.
   */
  expect(claimer: string): void {
    this.early.set(claimer, NONE);
  }

  /**
   * Resolves when each replaced owner of another client is confirmed closed, has a lease known dead, or the replace
   * time-out ran out. Resolves with the own-client entries that are not confirmed yet: they stay on the list.
   * `onOwnConfirmed` is called once, when the last of those is confirmed.
   */
  async wait(
    claimant: Claimant,
    lease: string,
    replaced: readonly ReplacedOwner[],
    onOwnConfirmed: () => void,
  ): Promise<ReplacedOwner[]> {
    const { clock, failureDetector } = this.parts;
    const now = clock.mono();
    for (const one of replaced) failureDetector.watch(one.l, now);
    const pending: Pending = {
      claimant,
      lease,
      unconfirmed: new Map(replaced.map((one) => [one.c, one])),
      since: now,
      resendAt: now + RESEND_MS,
      resendMs: RESEND_MS,
      ready: null,
      onOwnConfirmed: null,
    };
    for (const conn of this.early.get(claimant.id) ?? NONE) pending.unconfirmed.delete(conn);
    this.early.delete(claimant.id);
    this.pending.set(claimant.id, pending);
    this.timer ??= setInterval(() => this.tick(), TICK_MS);
    await new Promise<void>((resolve) => {
      pending.ready = resolve;
      this.advance(pending);
    });
    const own = [...pending.unconfirmed.values()];
    if (own.length === 0) this.drop(claimant.id);
    else pending.onOwnConfirmed = onOwnConfirmed;
    return own;
  }

  /** Whether this claimer still waits for an owner. */
  isWaiting(claimer: string): boolean {
    return this.pending.get(claimer)?.ready != null;
  }

  /** An owner confirmed that `conn` is closed. */
  confirm(claimer: string, conn: string): void {
    const pending = this.pending.get(claimer);
    const early = this.early.get(claimer);
    if (early) this.early.set(claimer, new Set([...early, conn]));
    if (pending?.unconfirmed.delete(conn)) this.advance(pending);
  }

  /** The claimer closed: its wait ends. */
  forget(claimer: string): void {
    this.early.delete(claimer);
    const pending = this.pending.get(claimer);
    if (!pending) return;
    this.drop(claimer);
    pending.ready?.();
  }

  stop(): void {
    for (const id of [...this.pending.keys()]) this.forget(id);
  }

  private advance(pending: Pending): void {
    const own = pending.claimant.client?.id;
    if (pending.ready) {
      for (const one of pending.unconfirmed.values()) if (own === undefined || one.k !== own) return;
      const ready = pending.ready;
      pending.ready = null;
      ready();
    } else if (pending.unconfirmed.size === 0) {
      this.drop(pending.claimant.id);
      pending.onOwnConfirmed?.();
    }
  }

  private tick(): void {
    const now = this.parts.clock.mono();
    let left = MAX_PER_TICK;
    for (const [claimer, pending] of [...this.pending]) {
      if (now < pending.resendAt && !this.hasGivenUp(pending, now)) continue;
      // To the end: what does not fit into this tick comes first in the next one.
      this.pending.delete(claimer);
      this.pending.set(claimer, pending);
      pending.resendMs = Math.min(MAX_RESEND_MS, 2 * pending.resendMs);
      pending.resendAt = now + pending.resendMs;
      this.resend(pending, now);
      left -= 1;
      if (left === 0) break;
    }
  }

  private hasGivenUp(pending: Pending, now: number): boolean {
    for (const one of pending.unconfirmed.values()) if (this.isGivenUp(pending, one, now)) return true;
    return false;
  }

  private isGivenUp({ since }: Pending, { l }: ReplacedOwner, now: number): boolean {
    const { failureDetector, timeoutMs } = this.parts;
    return failureDetector.isDead(l) || now - since >= Math.max(timeoutMs, failureDetector.patienceMs(l));
  }

  private resend(pending: Pending, now: number): void {
    const { bus, clusterTime } = this.parts;
    const { claimant } = pending;
    for (const one of [...pending.unconfirmed.values()]) {
      // Evict once more all the same: the owner's own idea of the time may be wrong (C2).
      const isGivenUp = this.isGivenUp(pending, one, now);
      if (isGivenUp) pending.unconfirmed.delete(one.c);
      const code = one.k !== '' && one.k === claimant.client?.id ? CLOSE.NEWER_ATTEMPT : CLOSE.SUPERSEDED;
      bus.send(one.l, {
        t: 'evict',
        conn: one.c,
        fence: claimant.fence,
        by: claimant.id,
        to: pending.lease,
        code,
        ...(isGivenUp ? { since: clusterTime.now() } : {}),
      });
    }
    this.advance(pending);
  }

  private drop(claimer: string): void {
    this.pending.delete(claimer);
    if (this.pending.size === 0 && this.timer) {
      clearInterval(this.timer);
      this.timer = null;
    }
  }
}
