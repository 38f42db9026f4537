import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import type { Durations } from '../metrics/durations.js';
import { GC_DURATION } from './processMetrics.js';

const GC_KINDS: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

/** Observes how long garbage collections take. */
export class GcWatch {
  private readonly durations: Durations;
  private observer: PerformanceObserver | null = null;

  constructor(durations: Durations) {
    this.durations = durations;
  }

  start(): void {
    if (this.observer) return;
    this.observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const { kind } = (entry as PerformanceEntry & { readonly detail: { readonly kind: number } }).detail;
        this.durations.observe(GC_DURATION, entry.duration, { kind: GC_KINDS.get(kind) ?? 'other' });
      }
    });
    this.observer.observe({ entryTypes: ['gc'] });
  }

  stop(): void {
    this.observer?.disconnect();
    this.observer = null;
  }
}
