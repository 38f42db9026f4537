import { counter, type Distribution, each, type Metric, one } from './metric.js';
import type { NodeCounts } from './nodeCounts.js';

/** Observed by the HTTP server. */
export const REST_DURATION: Distribution = {
  type: 'histogram',
  name: 'uws_rest_seconds',
  help: 'REST requests by method, route pattern and status, seconds.',
  labels: ['method', 'route', 'status'],
  buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
};

/** Requests of clients, publishers and admins. */
export const NODE_COUNTS_METRICS: readonly Metric<NodeCounts>[] = [
  counter('uws_fenced_total', 'How often the node lost the right to deliver.', (counts) => one(counts.fencedPeriods)),
  counter('uws_fenced_seconds_total', 'Time without the right to deliver, seconds.', (counts) =>
    one(counts.fencedSeconds),
  ),
  counter('uws_connections_established_total', 'Connections that were established.', (counts) =>
    one(counts.established),
  ),
  counter('uws_takeovers_total', 'Connections that replaced another and waited for its end.', (counts) =>
    one(counts.replacements),
  ),
  counter(
    'uws_upgrades_refused_total',
    'Upgrade requests that were refused before authentication.',
    (counts) => each(counts.refused.toRecord(), 'reason'),
    ['reason'],
  ),
  counter(
    'uws_http_refused_total',
    'Plain HTTP requests over the limit of their address or caller: answered with 429 before any work; probes get the answer of the last second.',
    (counts) => each(counts.requestsRefused.toRecord(), 'bucket'),
    ['bucket'],
  ),
  REST_DURATION,
  counter(
    'uws_messages_received_total',
    'Messages of clients by type; unknown types count as errors with the code UNKNOWN_MESSAGE_TYPE.',
    (counts) => each(counts.messages.toRecord(), 'type'),
    ['type'],
  ),
  counter(
    'uws_publishes_total',
    'Published events by result.',
    (counts) => each(counts.publishes.toRecord(), 'result'),
    ['result'],
  ),
  counter(
    'uws_queue_admin_total',
    'Admin actions on the event queue through this node: cleared_jobs, cleared_events, retried_jobs, deleted_jobs.',
    (counts) => each(counts.queueAdmin.toRecord(), 'done'),
    ['done'],
  ),
];
