import { counter, type Distribution, each, gauge, type Metric, one } from '../observability/metrics/metric.js';
import type { Settings } from '../settings/settings.js';
import type { Backpressure } from './lifecycle/backpressure.js';
import type { Sockets } from './lifecycle/sockets.js';
import type { surveyConnections } from './lifecycle/surveyConnections.js';

const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export const CONNECT_DURATION: Distribution = {
  type: 'histogram',
  name: 'uws_connect_seconds',
  help: 'From a verified token to connection_established, including the wait for replaced connections, seconds.',
  buckets: BUCKETS,
};
export const REPLACE_DURATION: Distribution = {
  type: 'histogram',
  name: 'uws_handover_seconds',
  help: 'As uws_connect_seconds, but only for connections that replaced another one, seconds.',
  buckets: BUCKETS,
};

interface ConnectionSource {
  readonly settings: Pick<Settings, 'maxConnections'>;
  readonly sockets: Pick<Sockets, 'accepted' | 'pendingAuth'>;
  readonly backpressure: Pick<Backpressure, 'size' | 'counts'>;
  readonly survey: ReturnType<typeof surveyConnections>;
}

/** Connections: their number, starts and ends. */
export const CONNECTION_METRICS: readonly Metric<ConnectionSource>[] = [
  gauge(
    'uws_connections',
    'Connections by their status on the wire; connecting includes those that have not authenticated.',
    ({ survey }) => each(survey.byStatus, 'status'),
    ['status'],
  ),
  gauge('uws_connections_pending_auth', 'Connections that have not authenticated.', ({ sockets }) =>
    one(sockets.pendingAuth),
  ),
  gauge('uws_connections_max', 'MAX_CONNECTIONS.', ({ settings }) => one(settings.maxConnections)),
  gauge('uws_socket_buffered_bytes', 'Bytes waiting in the sockets of all connections.', ({ survey }) =>
    one(survey.bufferedBytes),
  ),
  counter('uws_connections_accepted_total', 'Upgrades that became a WebSocket.', ({ sockets }) =>
    one(sockets.accepted),
  ),
  counter(
    'uws_connections_closed_total',
    'Closed connections by close code; an unknown code is other.',
    ({ survey }) => each(survey.closedByCode, 'code'),
    ['code'],
  ),
  gauge(
    'uws_connections_congested',
    'Connections whose client reads more slowly than the node sends.',
    ({ backpressure }) => one(backpressure.size),
  ),
  counter(
    'uws_congestions_total',
    'Congested connections by outcome; began counts each of them.',
    ({ backpressure: { counts } }) => [
      [counts.congested, { outcome: 'began' }],
      [counts.drained, { outcome: 'drained' }],
      [counts.ended, { outcome: 'ended' }],
    ],
    ['outcome'],
  ),
  CONNECT_DURATION,
  REPLACE_DURATION,
];
