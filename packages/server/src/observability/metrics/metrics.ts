import { Counter, Gauge, Registry } from 'prom-client';
import type { Durations } from './durations.js';
import type { Metric, MetricList, Series } from './metric.js';

/** The metrics of one node, with a registry of their own, because several nodes can live in one process. */
export class Metrics<Parts> {
  private readonly parts: Parts;
  private readonly durations: Durations;
  private readonly registry = new Registry();
  private readonly shown: ReadonlyArray<{
    readonly list: MetricList<Parts>;
    readonly show: readonly ((series: readonly Series[]) => void)[];
  }>;

  constructor(lists: readonly MetricList<Parts>[], parts: Parts, durations: Durations) {
    this.parts = parts;
    this.durations = durations;
    this.shown = lists.map((list) => ({ list, show: list.metrics.map((metric) => this.register(metric)) }));
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** All metrics in the text format of Prometheus. Waits for no other process and not for Redis. */
  text(): Promise<string> {
    for (const { list, show } of this.shown) {
      for (const [index, series] of list.read(this.parts).entries()) show[index]?.(series);
    }
    return this.registry.metrics();
  }

  /** @returns a function that shows the series of the metric. */
  private register(metric: Metric<never>): (series: readonly Series[]) => void {
    if (metric.type === 'histogram') {
      this.registry.registerMetric(this.durations.histogramOf(metric));
      return () => undefined;
    }
    const { type, name, help, labels = [] } = metric;
    const options = { name, help, labelNames: [...labels], registers: [this.registry] };
    if (type === 'gauge') {
      const made = new Gauge(options);
      return (found) => {
        made.reset();
        // A gauge without labels would show 0 for "not known".
        if (found.length === 0 && labels.length === 0) made.remove();
        for (const [value, series = {}] of found) made.set(series, value);
      };
    }
    const made = new Counter(options);
    // The parts keep the counts; this counter only shows them.
    return (found) => {
      made.reset();
      for (const [value, series = {}] of found) made.inc(series, value);
    };
  }
}

/** docs/METRICS.md, made from the same lists as the metrics. */
export function metricsMarkdown(metrics: readonly Metric<never>[]): string {
  const rows = metrics.map((metric) => {
    const labels = (metric.labels ?? []).map((label) => `\`${label}\``).join(', ');
    const buckets = metric.type === 'histogram' ? ` Buckets: ${metric.buckets.join(', ')}.` : '';
    return `| \`${metric.name}\` | ${metric.type} | ${labels} | ${metric.help}${buckets} |`;
  });
  return [
    '# Metrics',
    '',
    'For operators: every metric of a node. Generated from the code by `npm run docs`; do not edit.',
    '',
    '`GET /metrics` answers in the text format of Prometheus. If `METRICS_TOKEN` is set, send it as bearer token; otherwise',
    '`/metrics` is open outside production and 404 in production. Where several processes share a port (`NODES` > 1), one',
    'answer holds the metrics of all, each with the label `node`. Counters start at 0 with the process.',
    '',
    '| metric | type | labels | meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
