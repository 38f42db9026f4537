import { STANDINGS } from '@unified-ws/protocol';
import { age, counter, gauge, one, type ReadMetric } from './metric.js';

/** How the node stands in the cluster. */
export const CLUSTER_METRICS: readonly ReadMetric[] = [
  gauge(
    'uws_build_info',
    'Always 1; the labels say what runs here.',
    ({ stats }) => [[1, { version: stats.version, node_version: stats.node_version, node_id: stats.node_id }]],
    ['version', 'node_version', 'node_id'],
  ),
  gauge('uws_ready', '1 when /readyz answers 200.', ({ stats }) => one(stats.ready)),
  gauge(
    'uws_check_ok',
    '1 for each check of /readyz that passes.',
    ({ stats }) => Object.entries(stats.checks).map(([check, { ok }]) => [Number(ok), { check }]),
    ['check'],
  ),
  gauge(
    'uws_standing',
    '1 for the state of the node in the cluster, 0 for the other states; only a serving node delivers.',
    ({ stats }) => STANDINGS.map((standing) => [Number(stats.standing === standing), { standing }]),
    ['standing'],
  ),
  counter('uws_fenced_total', 'How often the node lost the right to deliver.', ({ stats }) =>
    one(stats.registry.fenced_periods),
  ),
  counter('uws_fenced_seconds_total', 'Time without the right to deliver, seconds.', ({ stats }) =>
    one(stats.registry.fenced_seconds),
  ),
  gauge('uws_lease_age_seconds', 'Age of the last confirmed renewal of the lease, seconds.', ({ stats }) =>
    age(stats.checks.redis.value),
  ),
  gauge(
    'uws_bus_age_seconds',
    'Age of the last message that the node sent to itself over the bus and heard, seconds.',
    ({ stats }) => age(stats.checks.bus.value),
  ),
  counter(
    'uws_foreign_messages_total',
    'Messages between nodes that carried the id of another installation and were dropped.',
    ({ foreign }) => one(foreign),
  ),
  gauge(
    'uws_redis_connected',
    '1 while the connection to Redis is up.',
    ({ connected }) => Object.entries(connected).map(([connection, up]) => [Number(up), { connection }]),
    ['connection'],
  ),
  gauge(
    'uws_clock_offset_seconds',
    'The wall clock of the node minus cluster time, seconds.',
    ({ stats: { clock } }) => (clock.offset_ms === null ? [] : one(clock.offset_ms / 1000)),
  ),
  gauge(
    'uws_redis_clock_offset_seconds',
    'The clock of each Redis minus cluster time, seconds; for a Redis Cluster each master by its address.',
    ({ stats: { clock } }) => Object.entries(clock.redis_offset_ms).map(([redis, ms]) => [ms / 1000, { redis }]),
    ['redis'],
  ),
  gauge(
    'uws_leases',
    'Leases in the cluster by state, as this node sees them.',
    ({ stats: { registry } }) => [
      [registry.live_leases, { state: 'live' }],
      [registry.dead_leases, { state: 'dead' }],
    ],
    ['state'],
  ),
];
