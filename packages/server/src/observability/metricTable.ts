import { uptime } from 'node:process';
import { type NodeStats, ROLLOUT_MODES } from '@unified-ws/protocol';
import { STANDINGS } from '../registry/recovery.js';
import type { Sample } from './queueSample.js';

/** What the metrics are made of, gathered once per scrape. */
export interface MetricFacts {
  readonly stats: NodeStats;
  readonly queue: Sample | null;
  /** Monotonic and wall clock, ms. */
  readonly mono: number;
  readonly now: number;
  readonly reported: ReadonlyMap<string, number>;
  readonly connected: { readonly command: boolean; readonly subscriber: boolean };
  readonly cpu: NodeJS.CpuUsage;
}

type Labels = Readonly<Record<string, string>>;
/** A value and the labels that it goes with. */
type Series = readonly [value: number, labels?: Labels];

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** Read from the parts' own counts when somebody looks: the hot paths pay nothing for it. */
export interface ReadMetric extends Described {
  readonly type: 'gauge' | 'counter';
  readonly read: (facts: MetricFacts) => readonly Series[];
}

/** Observed as things happen. */
export interface Distribution extends Described {
  readonly type: 'histogram';
  /** Seconds. */
  readonly buckets: readonly number[];
}

const gauge = (name: string, help: string, read: ReadMetric['read'], labels: readonly string[] = []): ReadMetric => ({
  type: 'gauge',
  name,
  help,
  labels,
  read,
});
const counter = (name: string, help: string, read: ReadMetric['read'], labels: readonly string[] = []): ReadMetric => ({
  ...gauge(name, help, read, labels),
  type: 'counter',
});

/** One series per entry of a record. */
const each = (record: Readonly<Record<string, number>>, label: string): Series[] =>
  Object.entries(record).map(([name, value]) => [value, { [label]: name }]);
const one = (value: number | boolean): readonly Series[] => [[Number(value)]];
/** A check's age in seconds; no series when there is none. */
const age = (ms: unknown): readonly Series[] => (typeof ms === 'number' ? [[ms / 1000]] : []);

/** Every metric that is read, in the order of docs/METRICS.md. */
export const READ_METRICS: readonly ReadMetric[] = [
  gauge(
    'uws_build_info',
    'Always 1; what runs here.',
    ({ stats }) => [[1, { version: stats.version, node_version: stats.node_version, node_id: stats.node_id }]],
    ['version', 'node_version', 'node_id'],
  ),
  gauge('uws_ready', '1 when /readyz answers 200.', ({ stats }) => one(stats.ready)),
  gauge(
    'uws_check_ok',
    '1 for each check of /readyz that holds.',
    ({ stats }) => Object.entries(stats.checks).map(([check, { ok }]) => [Number(ok), { check }]),
    ['check'],
  ),
  gauge(
    'uws_standing',
    '1 for the standing of the node in the cluster, 0 for the others; only a serving node delivers.',
    ({ stats }) => STANDINGS.map((standing) => [Number(stats.standing === standing), { standing }]),
    ['standing'],
  ),
  counter('uws_fenced_total', 'How often the node lost the right to deliver.', ({ stats }) =>
    one(stats.registry.fenced_periods),
  ),
  counter('uws_fenced_seconds_total', 'Time without the right to deliver, seconds.', ({ stats }) =>
    one(stats.registry.fenced_seconds),
  ),
  gauge('uws_lease_age_seconds', 'Time since the last confirmed renewal of the lease was sent, seconds.', ({ stats }) =>
    age(stats.checks.redis.value),
  ),
  gauge('uws_bus_age_seconds', 'Age of the last own message that came back over the bus, seconds.', ({ stats }) =>
    age(stats.checks.bus.value),
  ),
  gauge(
    'uws_redis_connected',
    '1 while the connection to Redis stands.',
    ({ connected }) => Object.entries(connected).map(([connection, up]) => [Number(up), { connection }]),
    ['connection'],
  ),
  gauge(
    'uws_leases',
    'Leases in the cluster as this node judges them.',
    ({ stats: { registry } }) => [
      [registry.live_leases, { state: 'live' }],
      [registry.dead_leases, { state: 'dead' }],
    ],
    ['state'],
  ),

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
  gauge('uws_socket_buffered_bytes', 'Bytes that wait in the sockets of all connections.', ({ stats }) =>
    one(stats.connections.buffered_bytes),
  ),
  counter('uws_connections_accepted_total', 'Upgrades that became a WebSocket.', ({ stats }) =>
    one(stats.connections.accepted),
  ),
  counter('uws_connections_established_total', 'Connections that became current and were told so.', ({ stats }) =>
    one(stats.connections.established),
  ),
  counter(
    'uws_connections_closed_total',
    'Connections that ended, by close code; a code that means nothing is other.',
    ({ stats }) => each(stats.connections.closed, 'code'),
    ['code'],
  ),
  counter(
    'uws_upgrades_refused_total',
    'Upgrade requests that were refused before authentication.',
    ({ stats }) => each(stats.connections.refused, 'reason'),
    ['reason'],
  ),
  counter('uws_takeovers_total', 'Connections that displaced another and waited for its end.', ({ stats }) =>
    one(stats.registry.takeovers),
  ),
  gauge('uws_takeovers_waiting', 'Connections that wait for displaced ones to end.', ({ stats }) =>
    one(stats.registry.waiting_takeovers),
  ),
  counter('uws_evictions_total', 'Connections of this node that a newer claim ended.', ({ stats }) =>
    one(stats.registry.evictions),
  ),
  gauge('uws_releases_pending', 'Closed connections that the registry has not let go yet.', ({ stats }) =>
    one(stats.registry.pending_releases),
  ),

  counter(
    'uws_messages_received_total',
    'Messages of clients by type; those of an unknown type are errors with the code UNKNOWN_MESSAGE_TYPE.',
    ({ stats }) => each(stats.messages_by_type, 'type'),
    ['type'],
  ),
  counter(
    'uws_errors_total',
    'Errors that clients were told, over WebSocket and REST.',
    ({ stats }) => each(stats.errors.by_code, 'code'),
    ['code'],
  ),
  counter(
    'uws_reports_total',
    'Failures that had no caller to be told, by place.',
    ({ reported }) => each(bounded(reported), 'where'),
    ['where'],
  ),

  counter(
    'uws_publishes_total',
    'Events that publishers handed in, by result.',
    ({ stats }) => each(stats.publishes, 'result'),
    ['result'],
  ),
  counter('uws_events_total', 'Broadcast events that this node took from the log and delivered.', ({ stats }) =>
    one(stats.delivery.events),
  ),
  counter('uws_event_deliveries_total', 'Events times connections.', ({ stats }) => one(stats.delivery.deliveries)),
  counter(
    'uws_event_flushes_total',
    'Flushes; each writes at most once to a connection that no event excludes.',
    ({ stats }) => one(stats.delivery.flushes),
  ),
  counter('uws_socket_writes_total', 'Writes of events to sockets.', ({ stats }) => one(stats.delivery.writes)),
  counter('uws_event_bytes_total', 'Bytes of events written to sockets.', ({ stats }) => one(stats.delivery.bytes)),
  counter('uws_events_unknown_type_total', 'Events of a type that the catalogue of this node lacks.', ({ stats }) =>
    one(stats.delivery.unknown_types),
  ),
  counter('uws_gaps_total', 'Times that events could not be delivered and clients were told of a gap.', ({ stats }) =>
    one(stats.delivery.gaps),
  ),
  counter(
    'uws_mailbox_appends_total',
    'Events times mailboxes that the workers of this node were done with, by result.',
    ({ stats: { mailboxes } }) => [
      [mailboxes.appended, { result: 'appended' }],
      [mailboxes.duplicates, { result: 'duplicate' }],
    ],
    ['result'],
  ),
  counter(
    'uws_mailbox_trimmed_total',
    'Events that left a mailbox before they were acknowledged: too many, too large or too old.',
    ({ stats }) => one(stats.mailboxes.trimmed_unacknowledged),
  ),
  counter('uws_mailbox_deliveries_total', 'Targeted events written to connections.', ({ stats }) =>
    one(stats.mailboxes.deliveries),
  ),
  counter(
    'uws_mailbox_unwanted_total',
    'Targeted events passed over: not subscribed to, not permitted or of an unknown type.',
    ({ stats }) => one(stats.mailboxes.unwanted),
  ),
  counter('uws_mailbox_holes_total', 'Live batches that did not continue what was delivered.', ({ stats }) =>
    one(stats.mailboxes.holes),
  ),
  counter('uws_mailbox_reads_total', 'Pages read from mailboxes.', ({ stats }) => one(stats.mailboxes.reads)),
  counter('uws_mailbox_gaps_total', 'Times that a client was told of a gap in its mailbox.', ({ stats }) =>
    one(stats.mailboxes.gaps),
  ),
  gauge('uws_mailbox_behind', 'Connections that are behind their mailbox.', ({ stats }) => one(stats.mailboxes.behind)),
  counter(
    'uws_mailbox_acks_total',
    'Acknowledgements of mailboxes by result; ignored ones were older, of another epoch, or of a displaced connection.',
    ({ stats }) => each(stats.mailboxes.acks, 'result'),
    ['result'],
  ),
  gauge('uws_cohorts', 'Sets of connections that receive the same bytes.', ({ stats }) => one(stats.delivery.cohorts)),
  gauge('uws_cohort_members', 'Connections that receive events with their cohort.', ({ stats }) =>
    one(stats.delivery.members),
  ),
  gauge('uws_readers', 'Connections with a cursor of their own: behind, or served singly.', ({ stats }) =>
    one(stats.delivery.readers),
  ),
  counter(
    'uws_events_replayed_total',
    'Events written to connections with a cursor of their own, by where they came from.',
    ({ stats: { delivery } }) => [
      [delivery.replayed - delivery.replayed_from_log, { source: 'window' }],
      [delivery.replayed_from_log, { source: 'log' }],
    ],
    ['source'],
  ),
  gauge('uws_window_events', 'Newest broadcast events in memory.', ({ stats }) => one(stats.delivery.window_events)),
  gauge('uws_window_bytes', 'Bytes of those events as JSON.', ({ stats }) => one(stats.delivery.window_bytes)),
  gauge('uws_connections_congested', 'Connections whose peers take less than they are sent.', ({ stats }) =>
    one(stats.delivery.congested),
  ),
  counter(
    'uws_congestions_total',
    'How often connections were congested, by how it went on; began counts each of them.',
    ({ stats: { delivery } }) => [
      [delivery.congestions, { outcome: 'began' }],
      [delivery.drained, { outcome: 'drained' }],
      [delivery.too_slow, { outcome: 'ended' }],
    ],
    ['outcome'],
  ),

  counter('uws_ephemeral_published_total', 'Ephemeral events that this node published.', ({ stats }) =>
    one(stats.delivery.ephemeral.published),
  ),
  counter('uws_ephemeral_absent_total', 'Targets of those that were not connected.', ({ stats }) =>
    one(stats.delivery.ephemeral.absent),
  ),
  counter('uws_ephemeral_received_total', 'Ephemeral events that came over the bus.', ({ stats }) =>
    one(stats.delivery.ephemeral.received),
  ),
  counter('uws_ephemeral_sent_total', 'Ephemeral events that went out to whoever is to have them.', ({ stats }) =>
    one(stats.delivery.ephemeral.sent),
  ),
  counter(
    'uws_ephemeral_conflated_total',
    'Ephemeral events that a later one of their key replaced before they went out.',
    ({ stats }) => one(stats.delivery.ephemeral.conflated),
  ),
  counter(
    'uws_ephemeral_dropped_total',
    "Ephemeral events that did not go out: over their type's rate, expired, too many at once, on a fenced node, or their user was gone.",
    ({ stats }) => each(stats.delivery.ephemeral.dropped, 'reason'),
    ['reason'],
  ),
  counter(
    'uws_ephemeral_withheld_total',
    'Ephemeral events times connections that were congested or over their message rate.',
    ({ stats }) => one(stats.delivery.ephemeral.withheld),
  ),
  counter(
    'uws_compression_bytes_total',
    'Bytes of events before and after compression; each event counts once, however many connections get it.',
    ({ stats: { delivery } }) => [
      [delivery.compression.bytes_in, { side: 'in' }],
      [delivery.compression.bytes_out, { side: 'out' }],
    ],
    ['side'],
  ),
  counter(
    'uws_compression_skipped_total',
    'Events that were not compressed because the event loop had no time for it.',
    ({ stats }) => one(stats.delivery.compression.skipped),
  ),
  counter('uws_rate_limited_total', 'Messages rate_limited.', ({ stats }) => one(stats.delivery.rate_limited)),

  gauge(
    'uws_queue_jobs',
    'Jobs in the queues of the whole cluster, by queue and state; the same on every node, so do not sum it over nodes.',
    ({ queue }) =>
      [...(queue?.counts ?? [])].flatMap(([name, counts]) =>
        Object.entries(counts).map(([state, count]): Series => [count, { queue: name, state }]),
      ),
    ['queue', 'state'],
  ),
  gauge(
    'uws_queue_paused',
    '1 while an admin has paused the queue; the same on every node, so do not sum it over nodes.',
    ({ queue }) =>
      [...(queue?.counts.keys() ?? [])].map((name): Series => [Number(queue?.paused.includes(name)), { queue: name }]),
    ['queue'],
  ),
  counter(
    'uws_queue_admin_total',
    'What admins did to the event queue through this node: cleared_jobs, cleared_events, retried_jobs, deleted_jobs.',
    ({ stats }) => each(stats.queue_admin, 'done'),
    ['done'],
  ),
  gauge(
    'uws_queue_sample_age_seconds',
    'Age of uws_queue_jobs, seconds; it grows while Redis is away.',
    ({ queue, mono }) => (queue === null ? [] : [[(mono - queue.at) / 1000]]),
  ),
  counter(
    'uws_worker_events_total',
    'Events that the workers of this node were done with, by queue and result.',
    ({ stats }) =>
      stats.queue_workers.lanes.flatMap(({ queue, appended, duplicates, expired, poisoned }): Series[] => [
        [appended, { queue, result: 'appended' }],
        [duplicates, { queue, result: 'duplicate' }],
        [expired, { queue, result: 'expired' }],
        [poisoned, { queue, result: 'poisoned' }],
      ]),
    ['queue', 'result'],
  ),
  counter(
    'uws_events_over_rate_total',
    'Durable events that this node appended over the rate of their type in the catalogue (events per minute); none is dropped for it.',
    ({ stats }) => each(stats.events_over_rate, 'type'),
    ['type'],
  ),
  gauge(
    'uws_worker_retrying_seconds',
    'How long a worker of this node has retried one job because something that it needs is away, seconds; 0: it does not.',
    ({ stats, now }) =>
      stats.queue_workers.lanes.map(({ queue, retrying }) => [
        retrying === null ? 0 : (now - Date.parse(retrying.since)) / 1000,
        { queue },
      ]),
    ['queue'],
  ),
  gauge(
    'uws_worker_stalled_seconds',
    'How long the job next in line of a queue was started by nobody, seconds; 0: all is well.',
    ({ stats }) => stats.queue_workers.lanes.map(({ queue, stalled_ms }) => [stalled_ms / 1000, { queue }]),
    ['queue'],
  ),
  counter(
    'uws_worker_renewals_total',
    'Workers of this node that were replaced: they started nothing (`stalled`), or gave up (`ended`).',
    ({ stats }) => each(stats.queue_workers.renewals, 'reason'),
    ['reason'],
  ),
  counter(
    'uws_publish_refused_total',
    'Publishes that this node refused for want of room: EVENT_QUEUE_MAX (`jobs`), or 80 % of the memory of Redis (`memory`).',
    ({ stats }) => each(stats.queue_workers.refused, 'reason'),
    ['reason'],
  ),
  gauge('uws_workers_standing_aside', '1 while the workers leave the jobs to other nodes.', ({ stats }) =>
    one(stats.queue_workers.standing_aside),
  ),

  gauge(
    'uws_legacy_connections',
    'Connections to the endpoints of the predecessor, by group.',
    ({ stats }) => each(stats.legacy.by_group, 'group'),
    ['group'],
  ),
  counter(
    'uws_legacy_established_total',
    'Connections to the endpoints of the predecessor that were established, by group.',
    ({ stats }) => each(stats.legacy.established, 'group'),
    ['group'],
  ),
  counter(
    'uws_legacy_messages_total',
    'Messages of clients on those endpoints, by type; what the old protocol does not know is other.',
    ({ stats }) => each(stats.legacy.messages, 'type'),
    ['type'],
  ),
  counter(
    'uws_legacy_notices_total',
    'Deprecation notices: at connect, when the roll-out of the user changed (`change`), and when the endpoint was closed to him (`closed`).',
    ({ stats }) => each(stats.legacy.notices, 'occasion'),
    ['occasion'],
  ),
  counter(
    'uws_legacy_replaced_total',
    'Connections to those endpoints that a newer one of their user and group ended.',
    ({ stats }) => one(stats.legacy.replaced),
  ),

  gauge(
    'uws_rollout_mode',
    '1 for the mode of the roll-out that is in force on this node, 0 for the others.',
    ({ stats: { rollout } }) => ROLLOUT_MODES.map((mode) => [Number(rollout.mode === mode), { mode }]),
    ['mode'],
  ),
  gauge('uws_rollout_percentage', 'Percentage of the roll-out, in force in mode gradual.', ({ stats }) =>
    one(stats.rollout.percentage),
  ),
  gauge(
    'uws_rollout_version',
    'Version of the roll-out that is in force on this node; nodes that differ for more than 2 s do not hear the cluster.',
    ({ stats }) => one(stats.rollout.version),
  ),
  gauge(
    'uws_rollout_enforced',
    '1 while the legacy endpoints refuse users who are assigned to the unified one.',
    ({ stats }) => one(stats.rollout.enforce),
  ),
  gauge('uws_rollout_rolled_back', '1 from a roll-back until it is taken back or a roll-out is set.', ({ stats }) =>
    one(stats.rollout.rolled_back),
  ),
  counter('uws_rollout_notices_total', 'Messages rollout_changed.', ({ stats }) => one(stats.rollout.notices)),

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

const UP_TO_10_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Every metric that is observed. */
export const DISTRIBUTIONS = {
  connect: {
    type: 'histogram',
    name: 'uws_connect_seconds',
    help: 'From a verified token to connection_established, the wait for displaced connections included, seconds.',
    buckets: UP_TO_10_S,
  },
  handover: {
    type: 'histogram',
    name: 'uws_handover_seconds',
    help: 'As uws_connect_seconds, of the connections that displaced another alone, seconds.',
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

/** More places than there are in the code: a label must not grow with what comes in. */
const MAX_PLACES = 200;

function bounded(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].slice(0, MAX_PLACES));
}
