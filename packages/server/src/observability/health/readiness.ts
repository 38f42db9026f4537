import type { Check, ReadinessReport, Standing } from '@unified-ws/protocol';
import type { Clock } from '../../util/clock.js';
import type { LoopLag } from './loopLag.js';
import type { Notice } from './notices.js';
import type { RunningParts } from './runningParts.js';

/** Two missed renewals or own messages, at one a second, plus a margin: an outage shows well within 5 s (G7). */
const MAX_SILENCE_MS = 3000;
/** A single pause is over when it is seen. If half of all turns are this late, the process is saturated. */
const MAX_LAG_P50_MS = 250;
/** A worker takes the next job within a second, and Redis is read each second, so a stall shows within 5 s (G7). */
export const STALL_TOLD_MS = 3000;
/** Longer than the longest pause between two attempts of a worker (Q2). */
const MAX_RETRYING_MS = 10_000;

/** The state of a node that its readiness depends on. */
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

/** The other nodes, as this node knows them. */
export interface PeersView {
  readonly others: number;
  /** How many of them are ready by themselves or do not say. */
  readonly fit: number;
}

/** `readiness`, and all failing checks, whether or not they make the node unready. */
interface Assessment {
  readonly report: ReadinessReport;
  readonly failing: readonly string[];
  readonly fit: boolean;
}

/**
 * The effect of a failing check. `own`: the node is not ready. `unless_all`: not ready, except when no other node is better off; then all
 * share the cause, and a balancer without nodes would serve nobody. `told`: only reported, because removing the node would not help.
 */
type Weight = 'own' | 'unless_all' | 'told';

interface LaneView {
  readonly queue: string;
  readonly retrying: { readonly since: number } | null;
  readonly stalledMs: number;
}

/**
 * Whether this node can serve (G7). Answers from what is already known: a Redis that hangs must not make the answer hang.
 */
export class Readiness {
  private readonly view: ReadinessView;
  private readonly lag: LoopLag;
  private readonly maxSilenceMs: number;
  private readonly paused: () => readonly string[];

  /** @param paused names of the queues that an admin has paused, as far as this node knows. */
  constructor(view: ReadinessView, lag: LoopLag, paused: () => readonly string[] = () => []) {
    this.paused = paused;
    this.view = view;
    this.lag = lag;
    // The right to deliver ends a second before the lease (C6). A failure that shows later would be useless.
    this.maxSilenceMs = Math.min(MAX_SILENCE_MS, view.lease.rightMs);
  }

  read(): ReadinessReport {
    return this.assess().report;
  }

  /** Whether the node is ready by itself, regardless of the other nodes. Other nodes receive this value. */
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

  /** Renewal of the lease measures the round trip: each second, through the connection that claims and publishes use. */
  private redis(failing: (reason: string) => void): Check {
    const { redis, lease } = this.view;
    const value = finite(lease.ageMs);
    const ok = redis.status === 'ready' && value !== null && value <= this.maxSilenceMs;
    if (redis.status !== 'ready') failing('redis: not connected');
    else if (value === null) failing('redis: no renewal of the lease was confirmed yet');
    else if (!ok) failing(`redis: the last confirmed round trip began ${value} ms ago`);
    return { ok, value, limit: this.maxSilenceMs };
  }

  private bus(failing: (reason: string) => void): Check {
    const { bus, clock } = this.view;
    const value = finite(clock.mono() - bus.heardAt);
    const ok = value !== null && value <= this.maxSilenceMs;
    if (value === null) failing('bus: the node has not heard an own message yet');
    else if (!ok) failing(`bus: the last own message that the node heard is ${value} ms old`);
    return { ok, value, limit: this.maxSilenceMs };
  }

  private lease(failing: (reason: string) => void): Check {
    const { recovery, lease } = this.view;
    const { recoveryState } = recovery;
    // Reads the lease itself, because `recovery.mayDeliver` would act on the answer.
    const ok = recoveryState === 'serving' && lease.isValid();
    if (recoveryState !== 'serving') failing(`lease: the node is ${recoveryState}, not serving`);
    else if (!ok) failing(`lease: it ran out, ${this.whatRanOut()}`);
    return { ok, value: ok || recoveryState !== 'serving' ? recoveryState : 'expired', limit: 'serving' };
  }

  /** The right to deliver depends on two things (C6). The reason names the one that is missing. */
  private whatRanOut(): string {
    const { bus, clock, lease } = this.view;
    if (clock.mono() - bus.heardAt >= lease.rightMs) return 'the node does not hear its own messages on the bus';
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
   * The next job in line is not started. Every node sees the same queue: if this made nodes unready, one stuck queue would take the
   * whole cluster out of the load balancer.
   */
  private stalled(): string[] {
    const limit = Math.min(STALL_TOLD_MS, this.view.settings.workerStallMs);
    return this.view.queues
      .stats()
      .lanes.filter(({ stalledMs }) => stalledMs > limit)
      .map(
        ({ queue, stalledMs }) =>
          `workers: no worker has started the next job of ${queue} for ${Math.round(stalledMs)} ms`,
      );
  }

  private parts(failing: (reason: string) => void): Check {
    const faults = this.view.running.faults();
    for (const fault of faults) failing(`parts: ${fault}`);
    return { ok: faults.length === 0, value: faults[0] ?? 'running', limit: 'running' };
  }

  private draining(failing: (reason: string) => void): Check {
    const value = this.view.isDraining();
    if (value) failing('draining: the node accepts no more connections');
    return { ok: !value, value, limit: false };
  }
}

function finite(ms: number): number | null {
  return Number.isFinite(ms) ? Math.round(ms) : null;
}
