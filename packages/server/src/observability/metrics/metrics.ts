import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { cpuUsage } from 'node:process';
import type { NodeStats } from '@unified-ws/protocol';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../../util/clock.js';
import { DISTRIBUTIONS, type MetricFacts, type ReadMetric, readMetrics } from './metricTable.js';
import type { NodeCounts } from './nodeCounts.js';
import type { QueueSample } from './queueSample.js';

const GC_KINDS: ReadonlyMap<number, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

type Name = keyof typeof DISTRIBUTIONS;

/** What of a node the metrics read, besides its facts. */
export interface MetricsView {
  readonly clock: Clock;
  readonly redis: { readonly status: string };
  readonly subscriber: { readonly status: string };
  readonly installation: { readonly foreign: number };
  /** What went to `report`, by place. */
  readonly reported: ReadonlyMap<string, number>;
  readonly logLines: Readonly<Record<string, number>>;
  readonly counts: Pick<NodeCounts, 'established' | 'replacements' | 'requestsRefused'>;
}

/** The facts of a node as they are now. */
export interface StatsSource {
  read(): NodeStats;
}

/** The metrics of one node, with a registry of their own: several nodes can live in one process. */
export class Metrics {
  private readonly view: MetricsView;
  private readonly facts: StatsSource;
  private readonly registry = new Registry();
  private readonly readers: ReadonlyArray<(facts: MetricFacts) => void>;
  private readonly histograms: Readonly<Record<Name, Histogram<string>>>;
  private readonly queue: QueueSample;
  private gc: PerformanceObserver | null = null;

  /** @param more metrics of extensions. */
  constructor(view: MetricsView, facts: StatsSource, queue: QueueSample, more: readonly ReadMetric[]) {
    this.view = view;
    this.facts = facts;
    this.queue = queue;
    this.readers = readMetrics(more).map(({ type, name, help, labels = [], read }) => {
      const options = { name, help, labelNames: [...labels], registers: [this.registry] };
      if (type === 'gauge') {
        const made = new Gauge(options);
        return (all) => {
          const found = read(all);
          made.reset();
          // A gauge without labels would show 0 for "not known".
          if (found.length === 0 && labels.length === 0) made.remove();
          for (const [value, series = {}] of found) made.set(series, value);
        };
      }
      const made = new Counter(options);
      // The counts are kept where they arise; here they are only shown.
      return (all) => {
        made.reset();
        for (const [value, series = {}] of read(all)) made.inc(series, value);
      };
    });
    const made = Object.entries(DISTRIBUTIONS).map(([key, definition]) => {
      const { name, help, buckets } = definition;
      const labelNames = 'labels' in definition ? [...definition.labels] : [];
      return [key, new Histogram({ name, help, labelNames, buckets: [...buckets], registers: [this.registry] })];
    });
    this.histograms = Object.fromEntries(made) as Record<Name, Histogram<string>>;
  }

  start(): void {
    if (this.gc) return;
    this.gc = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const { kind } = (entry as PerformanceEntry & { readonly detail: { readonly kind: number } }).detail;
        this.histograms.gc.observe({ kind: GC_KINDS.get(kind) ?? 'other' }, entry.duration / 1000);
      }
    });
    this.gc.observe({ entryTypes: ['gc'] });
  }

  stop(): void {
    this.gc?.disconnect();
    this.gc = null;
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /**
   * A connection was established.
   *
   * @param tookMs since its token was verified.
   * @param replaced whether it had to wait for another one of its user to end.
   */
  connected(tookMs: number, hasReplaced = false): void {
    const { counts } = this.view;
    counts.established += 1;
    this.histograms.connect.observe(tookMs / 1000);
    if (!hasReplaced) return;
    counts.replacements += 1;
    this.histograms.replacing.observe(tookMs / 1000);
  }

  /** @param route pattern of the route, never the path that was asked for. */
  rest(method: string, route: string, status: number, tookMs: number): void {
    this.histograms.rest.observe({ method, route, status: String(status) }, tookMs / 1000);
  }

  /** All metrics in the text format of Prometheus. Waits for nobody but this process. */
  text(): Promise<string> {
    const { clock, redis, subscriber, reported, logLines, counts, installation } = this.view;
    const facts: MetricFacts = {
      stats: this.facts.read(),
      queue: this.queue.look(),
      mono: clock.mono(),
      now: clock.now(),
      reported,
      logLines,
      requestsRefused: counts.requestsRefused.toRecord(),
      connected: { command: redis.status === 'ready', subscriber: subscriber.status === 'ready' },
      foreign: installation.foreign,
      cpu: cpuUsage(),
    };
    for (const reader of this.readers) reader(facts);
    return this.registry.metrics();
  }
}

/** docs/METRICS.md, made from the same table as the metrics. @param more metrics of extensions. */
export function metricsMarkdown(more: readonly ReadMetric[]): string {
  const rows = [...readMetrics(more), ...Object.values(DISTRIBUTIONS)].map((metric) => {
    const labels = 'labels' in metric && metric.labels ? metric.labels.map((label) => `\`${label}\``).join(', ') : '';
    const buckets = 'buckets' in metric ? ` Buckets: ${metric.buckets.join(', ')}.` : '';
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
