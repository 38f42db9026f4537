import { Histogram } from 'prom-client';
import type { Distribution } from './metric.js';

/** Durations observed on this node, by distribution, which is an entry of a list of metrics. */
export class Durations {
  private readonly histograms = new Map<Distribution, Histogram<string>>();

  observe(distribution: Distribution, tookMs: number, labels: Readonly<Record<string, string>> = {}): void {
    this.histogramOf(distribution).observe(labels, tookMs / 1000);
  }

  histogramOf(distribution: Distribution): Histogram<string> {
    const known = this.histograms.get(distribution);
    if (known) return known;
    const { name, help, labels = [], buckets } = distribution;
    const made = new Histogram({ name, help, labelNames: [...labels], buckets: [...buckets], registers: [] });
    this.histograms.set(distribution, made);
    return made;
  }
}
