import { counter, each, gauge, one, type ReadMetric } from './metric.js';

/** Connections, and how they came and went. */
export const CONNECTION_METRICS: readonly ReadMetric[] = [
  gauge(
    'uws_connections',
    'Connections by their status on the wire; connecting includes those that have not authenticated.',
    ({ stats }) => each(stats.connections.by_status, 'status'),
    ['status'],
  ),
  gauge('uws_connections_pending_auth', 'Connections that have not authenticated.', ({ stats }) =>
    one(stats.connections.pending_auth),
  ),
  gauge('uws_connections_max', 'MAX_CONNECTIONS.', ({ stats }) => one(stats.connections.max)),
  gauge('uws_socket_buffered_bytes', 'Bytes waiting in the sockets of all connections.', ({ stats }) =>
    one(stats.connections.buffered_bytes),
  ),
  counter('uws_connections_accepted_total', 'Upgrades that became a WebSocket.', ({ stats }) =>
    one(stats.connections.accepted),
  ),
  counter('uws_connections_established_total', 'Connections that were established.', ({ stats }) =>
    one(stats.connections.established),
  ),
  counter(
    'uws_connections_closed_total',
    'Closed connections by close code; an unknown code is other.',
    ({ stats }) => each(stats.connections.closed, 'code'),
    ['code'],
  ),
  counter(
    'uws_upgrades_refused_total',
    'Upgrade requests that were refused before authentication.',
    ({ stats }) => each(stats.connections.refused, 'reason'),
    ['reason'],
  ),
  counter('uws_takeovers_total', 'Connections that replaced another and waited for its end.', ({ stats }) =>
    one(stats.registry.takeovers),
  ),
  gauge('uws_takeovers_waiting', 'Connections that wait for replaced ones to end.', ({ stats }) =>
    one(stats.registry.waiting_takeovers),
  ),
  counter('uws_evictions_total', 'Connections of this node that a newer connection replaced.', ({ stats }) =>
    one(stats.registry.evictions),
  ),
  counter(
    'uws_duplicates_found_total',
    'Events that were written to a connection after a newer connection of its user was established; 0 unless a Redis Cluster shard lost data.',
    ({ stats }) => one(stats.registry.duplicates_found),
  ),
  gauge('uws_releases_pending', 'Closed connections that are not yet released in the registry.', ({ stats }) =>
    one(stats.registry.pending_releases),
  ),
];
