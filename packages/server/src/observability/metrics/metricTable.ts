import { CLUSTER_METRICS } from './table/clusterMetrics.js';
import { CONNECTION_METRICS } from './table/connectionMetrics.js';
import { DELIVERY_METRICS } from './table/deliveryMetrics.js';
import type { Distribution, ReadMetric } from './table/metric.js';
import { PROCESS_METRICS } from './table/processMetrics.js';
import { QUEUE_METRICS } from './table/queueMetrics.js';
import { REQUEST_METRICS } from './table/requestMetrics.js';

export type { Distribution, MetricFacts, ReadMetric } from './table/metric.js';

/** Every metric that is read, in the order of docs/METRICS.md. @param more those of extensions. */
export const readMetrics = (more: readonly ReadMetric[]): readonly ReadMetric[] => [
  ...CLUSTER_METRICS,
  ...CONNECTION_METRICS,
  ...REQUEST_METRICS,
  ...DELIVERY_METRICS,
  ...QUEUE_METRICS,
  ...more,
  ...PROCESS_METRICS,
];

const UP_TO_10_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Every metric that is observed. */
export const DISTRIBUTIONS = {
  connect: {
    type: 'histogram',
    name: 'uws_connect_seconds',
    help: 'From a verified token to connection_established, including the wait for replaced connections, seconds.',
    buckets: UP_TO_10_S,
  },
  replacing: {
    type: 'histogram',
    name: 'uws_handover_seconds',
    help: 'As uws_connect_seconds, but only for connections that replaced another one, seconds.',
    buckets: UP_TO_10_S,
  },
  rest: {
    type: 'histogram',
    name: 'uws_rest_seconds',
    help: 'REST requests by method, route pattern and status, seconds.',
    labels: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  },
  gc: {
    type: 'histogram',
    name: 'nodejs_gc_duration_seconds',
    help: 'Garbage collections by kind: major, minor, incremental or weakcb, seconds.',
    labels: ['kind'],
    buckets: [0.001, 0.01, 0.1, 1, 2, 5],
  },
} as const satisfies Readonly<Record<string, Distribution>>;
