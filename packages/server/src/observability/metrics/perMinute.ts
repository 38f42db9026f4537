import type { Clock } from '../../util/clock.js';

/** Interval of the samples, ms; a figure may be this far off the minute. */
const SAMPLE_MS = 5000;
const WINDOW_MS = 60_000;

/** The increase of a growing sum over the last minute. */
export class PerMinute {
  private readonly clock: Clock;
  private readonly sum: () => number;
  /** Oldest first: one sample that is at least a minute old, and all later ones. */
  private samples: { readonly at: number; readonly sum: number }[];
  private timer: NodeJS.Timeout | null = null;

  constructor(clock: Clock, sum: () => number) {
    this.clock = clock;
    this.sum = sum;
    this.samples = [{ at: clock.mono(), sum: 0 }];
  }

  start(): void {
    this.timer ??= setInterval(() => this.sample(), SAMPLE_MS).unref();
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** On a node younger than a minute: since its start. */
  read(): number {
    const now = this.clock.mono();
    const base = this.samples.findLast(({ at }) => now - at >= WINDOW_MS) ?? this.samples[0];
    return Math.max(0, this.sum() - (base?.sum ?? 0));
  }

  /** Takes a sample, which is the base of comparison a minute later. */
  sample(): void {
    const now = this.clock.mono();
    this.samples.push({ at: now, sum: this.sum() });
    const old = this.samples.findLastIndex(({ at }) => now - at >= WINDOW_MS);
    if (old > 0) this.samples = this.samples.slice(old);
  }
}
