import type { Clock } from '../../util/clock.js';

/** A reading covers the last one to two of these windows, milliseconds, so that an old burst does not count. */
const WINDOW_MS = 5000;

interface Sample {
  /** Microseconds of processor time, user and system. */
  readonly used: number;
  /** Monotonic ms. */
  readonly at: number;
}

/** CPU load of this process. */
export class CpuLoad {
  private readonly clock: Clock;
  private readonly usage: () => NodeJS.CpuUsage;
  private earlier: Sample;
  private later: Sample;
  private timer: NodeJS.Timeout | null = null;

  constructor(clock: Clock, usage: () => NodeJS.CpuUsage = () => process.cpuUsage()) {
    this.clock = clock;
    this.usage = usage;
    this.earlier = this.sample();
    this.later = this.earlier;
  }

  start(): void {
    this.timer ??= setInterval(() => this.turn(), WINDOW_MS);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** Drops the older sample. */
  turn(): void {
    this.earlier = this.later;
    this.later = this.sample();
  }

  /** Percent of one core; more than 100 when several threads work. */
  percent(): number {
    const now = this.sample();
    const ms = now.at - this.earlier.at;
    return ms <= 0 ? 0 : Math.round((now.used - this.earlier.used) / ms) / 10;
  }

  private sample(): Sample {
    const { user, system } = this.usage();
    return { used: user + system, at: this.clock.mono() };
  }
}
