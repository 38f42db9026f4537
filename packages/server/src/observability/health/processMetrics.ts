import { cpuUsage, memoryUsage, uptime } from 'node:process';
import { counter, type Distribution, gauge, type Metric, one } from '../metrics/metric.js';
import type { LoopLag } from './loopLag.js';

/** Observed by `GcWatch`. */
export const GC_DURATION: Distribution = {
  type: 'histogram',
  name: 'nodejs_gc_duration_seconds',
  help: 'Garbage collections by kind: major, minor, incremental or weakcb, seconds.',
  labels: ['kind'],
  buckets: [0.001, 0.01, 0.1, 1, 2, 5],
};

/** One reading of the process. @param now wall-clock ms. */
export const readProcess = (lag: LoopLag, now: number) => ({
  cpu: cpuUsage(),
  memory: memoryUsage(),
  lag: lag.read(),
  now,
});

/** The process and its event loop. */
export const PROCESS_METRICS: readonly Metric<ReturnType<typeof readProcess>>[] = [
  counter('process_cpu_user_seconds_total', 'User CPU time of the process, seconds.', ({ cpu }) => one(cpu.user / 1e6)),
  counter('process_cpu_system_seconds_total', 'System CPU time of the process, seconds.', ({ cpu }) =>
    one(cpu.system / 1e6),
  ),
  gauge('process_start_time_seconds', 'Start of the process, seconds since the epoch.', ({ now }) =>
    one(Math.round(now / 1000 - uptime())),
  ),
  gauge('process_resident_memory_bytes', 'Resident memory of the process, bytes.', ({ memory }) => one(memory.rss)),
  gauge('nodejs_heap_size_used_bytes', 'Heap in use, bytes.', ({ memory }) => one(memory.heapUsed)),
  gauge('nodejs_heap_size_total_bytes', 'Heap, bytes.', ({ memory }) => one(memory.heapTotal)),
  gauge('nodejs_external_memory_bytes', 'Memory of objects outside of the heap, bytes.', ({ memory }) =>
    one(memory.external),
  ),
  gauge('nodejs_eventloop_lag_mean_seconds', 'Mean delay of the event loop in the last 5 s, seconds.', ({ lag }) =>
    one(lag.mean / 1000),
  ),
  gauge('nodejs_eventloop_lag_p50_seconds', 'Median delay of the event loop in the last 5 s, seconds.', ({ lag }) =>
    one(lag.p50 / 1000),
  ),
  gauge(
    'nodejs_eventloop_lag_p99_seconds',
    '99th percentile of the delay of the event loop in the last 5 s, seconds.',
    ({ lag }) => one(lag.p99 / 1000),
  ),
  gauge('nodejs_eventloop_lag_max_seconds', 'Longest delay of the event loop in the last 5 s, seconds.', ({ lag }) =>
    one(lag.max / 1000),
  ),
  GC_DURATION,
];
