import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** The histogram samples this often, milliseconds; its values include the interval itself. */
const RESOLUTION_MS = 10;
/** A reading covers the last full window of this length, milliseconds, so that an old pause does not count. */
const WINDOW_MS = 5000;

/** Delay of the event loop beyond its due time, milliseconds. */
export interface LagReading {
  readonly p50: number;
  readonly p99: number;
  readonly mean: number;
  /** The longest in the last full window and the running one. */
  readonly max: number;
}

const NONE: LagReading = { p50: 0, p99: 0, mean: 0, max: 0 };

/** Measures the delay of the event loop. */
export class LoopLag {
  private readonly windowMs: number;
  private readonly histogram: IntervalHistogram;
  private timer: NodeJS.Timeout | null = null;
  private last: LagReading | null = null;

  constructor(windowMs: number = WINDOW_MS) {
    this.windowMs = windowMs;
    this.histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  }

  start(): void {
    if (this.timer) return;
    this.histogram.enable();
    this.timer = setInterval(() => {
      this.last = this.current();
      this.histogram.reset();
    }, this.windowMs);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    this.histogram.disable();
  }

  read(): LagReading {
    const current = this.current();
    return this.last === null ? current : { ...this.last, max: Math.max(this.last.max, current.max) };
  }

  private current(): LagReading {
    const { histogram } = this;
    if (histogram.count === 0) return NONE;
    return {
      p50: beyond(histogram.percentile(50)),
      p99: beyond(histogram.percentile(99)),
      mean: beyond(histogram.mean),
      max: beyond(histogram.max),
    };
  }
}

function beyond(nanoseconds: number): number {
  return Math.max(0, Math.round((nanoseconds / 1e6 - RESOLUTION_MS) * 100) / 100);
}
