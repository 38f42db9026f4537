import { STANDINGS } from '@unified-ws/protocol';
import { counter, gauge, type Metric, one } from '../observability/metrics/metric.js';
import type { Duplicates } from './claim/duplicates.js';
import type { Evictions } from './claim/evictions.js';
import type { PendingReplacements } from './claim/pendingReplacements.js';
import type { Releases } from './claim/releases.js';
import type { FailureDetector } from './nodes/failureDetector.js';
import type { Recovery } from './recovery/recovery.js';
import type { ClockWatch } from './time/clockWatch.js';
import type { ClusterTime } from './time/clusterTime.js';

interface RegistrySource {
  readonly recovery: Pick<Recovery, 'recoveryState'>;
  readonly clusterTime: Pick<ClusterTime, 'offsetMs'>;
  readonly clockWatch: Pick<ClockWatch, 'redis'>;
  readonly failureDetector: Pick<FailureDetector, 'live' | 'dead'>;
  readonly pendingReplacements: Pick<PendingReplacements, 'size'>;
  readonly evictions: Pick<Evictions, 'closed'>;
  readonly duplicates: Pick<Duplicates, 'found'>;
  readonly releases: Pick<Releases, 'pending'>;
}

/** The state of the node in the cluster, and the registry. */
export const REGISTRY_METRICS: readonly Metric<RegistrySource>[] = [
  gauge(
    'uws_standing',
    '1 for the state of the node in the cluster, 0 for the other states; only a serving node delivers.',
    ({ recovery }) => STANDINGS.map((standing) => [Number(recovery.recoveryState === standing), { standing }]),
    ['standing'],
  ),
  gauge(
    'uws_clock_offset_seconds',
    'The wall clock of the node minus cluster time, seconds.',
    ({ clusterTime: { offsetMs } }) => (offsetMs === null ? [] : one(offsetMs / 1000)),
  ),
  gauge(
    'uws_redis_clock_offset_seconds',
    'The clock of each Redis minus cluster time, seconds; for a Redis Cluster each master by its address.',
    ({ clockWatch }) => Object.entries(clockWatch.redis).map(([redis, ms]) => [ms / 1000, { redis }]),
    ['redis'],
  ),
  gauge(
    'uws_leases',
    'Leases in the cluster by state, as this node sees them.',
    ({ failureDetector }) => [
      [failureDetector.live().length, { state: 'live' }],
      [failureDetector.dead().length, { state: 'dead' }],
    ],
    ['state'],
  ),
  gauge('uws_takeovers_waiting', 'Connections that wait for replaced ones to end.', ({ pendingReplacements }) =>
    one(pendingReplacements.size),
  ),
  counter('uws_evictions_total', 'Connections of this node that a newer connection replaced.', ({ evictions }) =>
    one(evictions.closed),
  ),
  counter(
    'uws_duplicates_found_total',
    'Events that were written to a connection after a newer connection of its user was established; 0 unless a Redis Cluster shard lost data.',
    ({ duplicates }) => one(duplicates.found),
  ),
  gauge('uws_releases_pending', 'Closed connections that are not yet released in the registry.', ({ releases }) =>
    one(releases.pending),
  ),
];
