import type { Check, ReadinessReport, Standing } from '@unified-ws/protocol';
import type { Clock } from '../../util/clock.js';
import type { LoopLag } from './loopLag.js';
import type { Notice } from './notices.js';
import type { RunningParts } from './runningParts.js';

/** Two missed renewals or own messages, at one a second, and some room: an outage is seen well within 5 s (G7). */
const MAX_SILENCE_MS = 3000;
/** A lone pause is over when it is seen; half of all turns this late means that the process is saturated. */
const MAX_LAG_P50_MS = 250;
/** A worker takes the next job within a second, and Redis is asked each second: all is known within 5 s (G7). */
export const STALL_TOLD_MS = 3000;
/** Longer than the longest pause between two tries of a worker (Q2). */
const MAX_RETRYING_MS = 10_000;

/** What of a node its readiness rests on. */
export interface ReadinessView {
  readonly settings: { readonly nodeId: string; readonly workerStallMs: number };
  readonly clock: Clock;
  readonly redis: { readonly status: string };
  readonly lease: { readonly ageMs: number; readonly rightMs: number; isValid(): boolean };
  /** Monotonic ms. */
  readonly bus: { readonly heardAt: number };
  readonly recovery: { readonly recoveryState: Standing };
  readonly queues: { stats(): { readonly lanes: readonly LaneView[] } };
  readonly running: Pick<RunningParts, 'faults' | 'isStarted'>;
  readonly peers: () => PeersView;
  readonly isDraining: () => boolean;
  readonly notices: { read(): readonly Notice[] };
}

/** The other nodes, as far as this one knows. */
export interface PeersView {
  readonly others: number;
  /** Those of them that are ready by themselves, or do not tell. */
  readonly fit: number;
}

/** `readiness`, and all that fails, whether it keeps the node from being ready or not. */
interface Assessment {
  readonly report: ReadinessReport;
  readonly failing: readonly string[];
  readonly fit: boolean;
}

/**
 * What a failing check means. `own`: the node is not ready. `unless_all`: not either, unless no other node is better off: then all share the
 * cause, and a balancer without nodes would serve nobody. `told`: it is of no use to the cause to take the node out.
 */
type Weight = 'own' | 'unless_all' | 'told';

interface LaneView {
  readonly queue: string;
  readonly retrying: { readonly since: number } | null;
  readonly stalledMs: number;
}

/**
 * Whether this node can serve (G7). All of it is known already when it is asked: a Redis that hangs must not make the
 * answer hang.
 */
export class Readiness {
  private readonly view: ReadinessView;
  private readonly lag: LoopLag;
  private readonly maxSilenceMs: number;
  private readonly paused: () => readonly string[];

  /** @param paused names of the queues that an admin has paused, as far as is known. */
  constructor(view: ReadinessView, lag: LoopLag, paused: () => readonly string[] = () => []) {
    this.paused = paused;
    this.view = view;
    this.lag = lag;
    // The right to deliver ends a second before the lease (C6); being told of it later would be no use.
    this.maxSilenceMs = Math.min(MAX_SILENCE_MS, view.lease.rightMs);
  }

  read(): ReadinessReport {
    return this.assess().report;
  }

  /** Whether the node is ready by itself, and not for want of a better one: what the other nodes are told. */
  isFit(): boolean {
    return this.assess().fit;
  }

  assess(): Assessment {
    const found: Record<Weight, string[]> = { own: [], unless_all: [], told: [] };
    const as = (weight: Weight) => (reason: string) => {
      found[weight].push(reason);
    };
    const checks = {
      redis: this.redis(as('own')),
      bus: this.bus(as('own')),
      lease: this.lease(as('own')),
      event_loop: this.eventLoop(as('unless_all')),
      workers: this.workers(as('told')),
      parts: this.parts(as(this.view.running.isStarted ? 'unless_all' : 'own')),
      draining: this.draining(as('own')),
    };
    const { others, fit } = this.view.peers();
    const shared = others > 0 && fit === 0;
    const reasons = shared ? found.own : [...found.own, ...found.unless_all];
    const borne = shared ? found.unless_all.map((reason) => `${reason}; no other node is better off`) : [];
    return {
      report: {
        ready: reasons.length === 0,
        node_id: this.view.settings.nodeId,
        checks,
        reasons,
        notices: [...borne, ...found.told, ...this.noticed()],
      },
      failing: [...found.own, ...found.unless_all, ...found.told],
      fit: found.own.length === 0 && found.unless_all.length === 0,
    };
  }

  private noticed(): string[] {
    return [
      ...this.paused().map((queue) => `event_queue: ${queue} is paused by an admin`),
      ...this.stalled(),
      ...this.view.notices.read().map(({ text }) => text),
    ];
  }

  /** The renewal of the lease is the round trip: each second through the connection that claims and publishes use. */
  private redis(failing: (reason: string) => void): Check {
    const { redis, lease } = this.view;
    const value = finite(lease.ageMs);
    const ok = redis.status === 'ready' && value !== null && value <= this.maxSilenceMs;
    if (redis.status !== 'ready') failing('redis: not connected');
    else if (value === null) failing('redis: no renewal of this lease was confirmed yet');
    else if (!ok) failing(`redis: the last confirmed round trip began ${value} ms ago`);
    return { ok, value, limit: this.maxSilenceMs };
  }

  private bus(failing: (reason: string) => void): Check {
    const { bus, clock } = this.view;
    const value = finite(clock.mono() - bus.heardAt);
    const ok = value !== null && value <= this.maxSilenceMs;
    if (value === null) failing('bus: no own message was heard on this subscription yet');
    else if (!ok) failing(`bus: the last own message that was heard is ${value} ms old`);
    return { ok, value, limit: this.maxSilenceMs };
  }

  private lease(failing: (reason: string) => void): Check {
    const { recovery, lease } = this.view;
    const { recoveryState } = recovery;
    // Asked of the lease itself: `recovery.mayDeliver` would act on the answer.
    const ok = recoveryState === 'serving' && lease.isValid();
    if (recoveryState !== 'serving') failing(`lease: the node is ${recoveryState}, not serving`);
    else if (!ok) failing(`lease: ran out, ${this.whatRanOut()}`);
    return { ok, value: ok || recoveryState !== 'serving' ? recoveryState : 'expired', limit: 'serving' };
  }

  /** The right to deliver rests on two things (C6): whoever reads this at night wants to know which of them is gone. */
  private whatRanOut(): string {
    const { bus, clock, lease } = this.view;
    if (clock.mono() - bus.heardAt >= lease.rightMs) return 'own messages are not heard on the bus';
    return lease.ageMs >= lease.rightMs ? 'it is not renewed' : 'the clock jumped';
  }

  private eventLoop(failing: (reason: string) => void): Check {
    const value = this.lag.read().p50;
    const ok = value <= MAX_LAG_P50_MS;
    if (!ok) failing(`event_loop: half of its turns are ${value} ms late or more`);
    return { ok, value, limit: MAX_LAG_P50_MS };
  }

  private workers(failing: (reason: string) => void): Check {
    const now = this.view.clock.now();
    let value = 0;
    let queue = '';
    for (const lane of this.view.queues.stats().lanes) {
      const age = lane.retrying === null ? 0 : now - lane.retrying.since;
      if (age <= value) continue;
      value = age;
      queue = lane.queue;
    }
    const ok = value <= MAX_RETRYING_MS;
    if (!ok) failing(`workers: ${queue} has retried one job for ${value} ms`);
    return { ok, value, limit: MAX_RETRYING_MS };
  }

  /**
   * Nobody starts the job that is next in line. Every node sees the same queue: if it made them unready, one stuck queue would take
   * the whole cluster from the load balancer.
   */
  private stalled(): string[] {
    const limit = Math.min(STALL_TOLD_MS, this.view.settings.workerStallMs);
    return this.view.queues
      .stats()
      .lanes.filter(({ stalledMs }) => stalledMs > limit)
      .map(
        ({ queue, stalledMs }) =>
          `workers: nobody has started the next job of ${queue} for ${Math.round(stalledMs)} ms`,
      );
  }

  private parts(failing: (reason: string) => void): Check {
    const faults = this.view.running.faults();
    for (const fault of faults) failing(`parts: ${fault}`);
    return { ok: faults.length === 0, value: faults[0] ?? 'running', limit: 'running' };
  }

  private draining(failing: (reason: string) => void): Check {
    const value = this.view.isDraining();
    if (value) failing('draining: the node takes no more connections');
    return { ok: !value, value, limit: false };
  }
}

function finite(ms: number): number | null {
  return Number.isFinite(ms) ? Math.round(ms) : null;
}
