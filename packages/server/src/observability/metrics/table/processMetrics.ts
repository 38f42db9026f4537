import { uptime } from 'node:process';
import { counter, gauge, one, type ReadMetric } from './metric.js';

/** The process and its event loop. */
export const PROCESS_METRICS: readonly ReadMetric[] = [
  counter('process_cpu_user_seconds_total', 'User CPU time of the process, seconds.', ({ cpu }) => one(cpu.user / 1e6)),
  counter('process_cpu_system_seconds_total', 'System CPU time of the process, seconds.', ({ cpu }) =>
    one(cpu.system / 1e6),
  ),
  gauge('process_start_time_seconds', 'Start of the process, seconds since the epoch.', ({ now }) =>
    one(Math.round(now / 1000 - uptime())),
  ),
  gauge('process_resident_memory_bytes', 'Resident memory of the process, bytes.', ({ stats }) =>
    one(stats.memory.rss),
  ),
  gauge('nodejs_heap_size_used_bytes', 'Heap in use, bytes.', ({ stats }) => one(stats.memory.heap_used)),
  gauge('nodejs_heap_size_total_bytes', 'Heap, bytes.', ({ stats }) => one(stats.memory.heap_total)),
  gauge('nodejs_external_memory_bytes', 'Memory of objects outside of the heap, bytes.', ({ stats }) =>
    one(stats.memory.external),
  ),
  gauge('nodejs_eventloop_lag_mean_seconds', 'Mean delay of the event loop in the last 5 s, seconds.', ({ stats }) =>
    one(stats.event_loop_lag_ms.mean / 1000),
  ),
  gauge('nodejs_eventloop_lag_p50_seconds', 'Median delay of the event loop in the last 5 s, seconds.', ({ stats }) =>
    one(stats.event_loop_lag_ms.p50 / 1000),
  ),
  gauge(
    'nodejs_eventloop_lag_p99_seconds',
    '99th percentile of the delay of the event loop in the last 5 s, seconds.',
    ({ stats }) => one(stats.event_loop_lag_ms.p99 / 1000),
  ),
  gauge('nodejs_eventloop_lag_max_seconds', 'Longest delay of the event loop in the last 5 s, seconds.', ({ stats }) =>
    one(stats.event_loop_lag_ms.max / 1000),
  ),
];
