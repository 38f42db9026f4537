import { performance } from 'node:perf_hooks';
import type { Report } from '../../observability/log/logger.js';
import type { Clock } from '../../util/clock.js';

/** The rate is set anew, and connects that wait go on, this often while there are some, milliseconds. */
const TICK_MS = 20;
/** Share of the event loop's time that may be in use while connects come: above it there are fewer of them, below it more. */
const TARGET_USE = 0.7;
/** By how much the rate changes in one step, at most. */
const MAX_FALL = 0.7;
const MAX_RISE = 1.2;
/** Connects get at least this share of the time, counted by what they cost in their own turn, however busy the node is otherwise. */
const LEAST_SHARE = 0.15;
/** Connects a second: at first, and bounds whatever was measured. */
const FIRST_RATE = 1000;
const MIN_RATE = 50;
const MAX_RATE = 20_000;
/** What a connect costs in its own turn, milliseconds, before that is known; the newest counts for this much of the mean, and at most as so many. */
const FIRST_COST_MS = 0.2;
const NEWEST = 0.05;
const MAX_OUTLIER = 4;
/** A connect waits at most about this long, milliseconds. One that would wait longer is refused with a time to come back. */
const MAX_WAIT_MS = 5000;
/** The longest time to come back, milliseconds. */
const MAX_HINT_MS = 20_000;

/** An upgrade, or the token of a connection that is upgraded already: that one goes first, because more was spent on it. */
export type ConnectStage = 'upgrade' | 'authenticate';

export interface ConnectRateParts {
  readonly clock: Pick<Clock, 'mono'>;
  readonly random: () => number;
  readonly report: Report;
  /** Share of the time since the last call in which the event loop was in use. Default: as Node.js measures it. */
  readonly use?: () => number;
}

/**
 * How many connects this node takes in a second, so that those who come back all at once cost nobody who is connected. A token bucket whose
 * rate follows the use of the event loop: no number fits a slow machine and a fast one. What is over the rate waits in order; who would wait
 * too long is refused with a time to come back. Each gets a time of its own, as far apart as the connects that the node takes.
 */
export class ConnectRate {
  private readonly parts: ConnectRateParts;
  private readonly waiting: Record<ConnectStage, (() => void)[]> = { authenticate: [], upgrade: [] };
  private timer: NodeJS.Timeout | null = null;
  /** Connects a second. */
  private rate = FIRST_RATE;
  private tokens = FIRST_RATE * (TICK_MS / 1000);
  /** What one takes in its own turn, milliseconds. */
  private cost = FIRST_COST_MS;
  private tickedAt = 0;
  private readonly use: () => number;
  /** Since the last tick: connects, and whether one had to wait. */
  private taken = 0;
  private limited = false;
  /** Monotonic ms: whoever is refused next is told to come back after this. */
  private bookedUntil = 0;

  constructor(parts: ConnectRateParts) {
    this.parts = parts;
    this.use = parts.use ?? loopUse();
  }

  /** Connects that wait for their turn. */
  get size(): number {
    return this.waiting.authenticate.length + this.waiting.upgrade.length;
  }

  /**
   * Runs `connect` now or in its turn.
   *
   * @returns 0, or the milliseconds after which to come back: then it is not run.
   */
  admit(stage: ConnectStage, connect: () => void): number {
    this.start();
    const ahead = stage === 'authenticate' ? this.waiting.authenticate.length : this.size;
    if (ahead === 0 && this.tokens >= 1) {
      this.run(connect);
      return 0;
    }
    this.limited = true;
    const waitMs = (ahead * 1000) / this.rate;
    if (waitMs > MAX_WAIT_MS) return this.hint(waitMs);
    this.waiting[stage].push(connect);
    return 0;
  }

  /** All that wait have their turn now: the node ends, and refuses them. */
  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    while (this.size > 0) this.runNext();
  }

  private start(): void {
    if (this.timer) return;
    this.tickedAt = this.parts.clock.mono();
    this.use();
    this.tokens = this.burst;
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  private tick(): void {
    if (this.taken === 0 && !this.limited) {
      if (this.timer) clearInterval(this.timer);
      this.timer = null;
      return;
    }
    const now = this.parts.clock.mono();
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.tickedAt) * this.rate) / 1000);
    this.tickedAt = now;
    this.adjust(this.use());
    this.taken = 0;
    this.limited = this.size > 0;
    while (this.size > 0 && this.tokens >= 1) this.runNext();
  }

  private adjust(use: number): void {
    const factor = TARGET_USE / Math.max(use, 0.01);
    // Not raised by a time in which fewer came than might have.
    this.rate *= Math.max(MAX_FALL, Math.min(this.limited ? MAX_RISE : 1, factor));
    const least = (LEAST_SHARE * 1000) / this.cost;
    this.rate = Math.min(MAX_RATE, Math.max(MIN_RATE, least, this.rate));
  }

  private get burst(): number {
    return Math.max(1, (this.rate * 2 * TICK_MS) / 1000);
  }

  private runNext(): void {
    const next = this.waiting.authenticate.shift() ?? this.waiting.upgrade.shift();
    if (next === undefined) return;
    try {
      this.run(next);
    } catch (error) {
      this.parts.report(error, 'edge.connect');
    }
  }

  private run(connect: () => void): void {
    const { clock } = this.parts;
    const startedAt = clock.mono();
    this.tokens -= 1;
    this.taken += 1;
    try {
      connect();
    } finally {
      const took = Math.min(clock.mono() - startedAt, this.cost * MAX_OUTLIER);
      this.cost += (took - this.cost) * NEWEST;
    }
  }

  /** The next free time after all who wait and all who were sent away before, and up to half as long again: clients wait in whole seconds. */
  private hint(waitMs: number): number {
    const { clock, random } = this.parts;
    const now = clock.mono();
    this.bookedUntil = Math.max(this.bookedUntil, now + waitMs) + 1000 / this.rate;
    return Math.ceil(Math.min(MAX_HINT_MS, (this.bookedUntil - now) * (1 + random() / 2)));
  }
}

function loopUse(): () => number {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization;
  };
}
