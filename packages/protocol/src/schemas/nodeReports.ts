import { clockSchema } from './clockReport.js';
import { QUEUE_JOB_STATES } from './queue.js';
import { ROLLOUT_MODES } from './rollout.js';
import type { FromSchema, JSONSchema } from './schema.js';
import {
  amount,
  amounts,
  count,
  countOrNull,
  counts,
  flag,
  listOf,
  tally,
  text,
  texts,
  time,
  whole,
} from './schemaParts.js';

/** What a node needs in order to serve. */
const CHECKS = ['redis', 'bus', 'lease', 'event_loop', 'workers', 'parts', 'draining'] as const;
export type CheckName = (typeof CHECKS)[number];

/** The state of a node in the cluster. Only `serving` may deliver. */
export const STANDINGS = ['starting', 'rejoining', 'serving', 'interrupted', 'stopped'] as const;
export type Standing = (typeof STANDINGS)[number];

const checkSchema = whole({
  ok: flag,
  value: {
    type: ['number', 'string', 'boolean', 'null'],
    description: 'the measured value; null: not measured yet; milliseconds where the limit is a number',
  },
  limit: { type: ['number', 'string', 'boolean'] },
});
export type Check = FromSchema<typeof checkSchema>;

export const checksSchema = whole({
  redis: checkSchema,
  bus: checkSchema,
  lease: checkSchema,
  event_loop: checkSchema,
  workers: checkSchema,
  parts: checkSchema,
  draining: checkSchema,
} satisfies Record<CheckName, JSONSchema>);

/** Whether one process can serve. */
export const readinessSchema = whole({
  ready: flag,
  node_id: text,
  checks: checksSchema,
  reasons: { ...texts, description: 'one sentence per check that fails; empty when the node is ready' },
  notices: {
    ...texts,
    description: 'ordered by an admin, shared by all nodes, or otherwise no reason to stop serving',
  },
});
export type ReadinessReport = FromSchema<typeof readinessSchema>;

/** Answer of `GET /readyz`. If several processes share the port, all must be ready, or some if no other node is better off. */
export const readyzSchema = {
  anyOf: [
    readinessSchema,
    whole({
      ready: flag,
      nodes: listOf({
        anyOf: [
          readinessSchema,
          whole({ ready: { const: false }, node_id: { ...text, description: 'the node does not answer' } }),
        ],
      }),
      reasons: texts,
      notices: {
        ...texts,
        description: 'why some processes are not ready, if no other container is in a better state',
      },
    }),
  ],
} as const satisfies JSONSchema;
export type Readyz = FromSchema<typeof readyzSchema>;

/** Answer of `GET /livez`. */
export const livezSchema = whole({ status: { const: 'ok' }, node_id: text, uptime_seconds: count });

const connections = whole({
  total: {
    ...count,
    description: 'all sockets, including those that are authenticating or closing',
  },
  max: count,
  pending_auth: count,
  by_status: { ...tally, description: 'by the status on the wire' },
  healthy: { ...count, description: 'true: established, and without health_reasons' },
  with_errors: { ...count, description: 'connections whose last message was bad' },
  buffered_bytes: { ...count, description: 'that wait in the sockets' },
  accepted: count,
  established: count,
  closed: { ...tally, description: 'by close code' },
  refused: { ...tally, description: 'upgrades, by reason' },
});

const deliverySchema = whole({
  ...counts('events', 'deliveries', 'flushes', 'writes', 'bytes', 'unknown_types', 'gaps', 'cohorts', 'members'),
  readers: { ...count, description: 'connections with their own position: behind, or with their own filter' },
  replayed: { ...count, description: 'events written to readers' },
  replayed_from_log: { ...count, description: 'of these, read from the log in Redis' },
  window_events: { ...count, description: 'newest broadcast events in memory' },
  window_bytes: count,
  congested: { ...count, description: 'connections whose client reads more slowly than the node sends' },
  congestions: { ...count, description: 'how often there was one' },
  ...counts('drained', 'too_slow'),
  rate_limited: { ...count, description: 'messages rate_limited' },
  ephemeral: whole({
    published: { ...count, description: 'by the node' },
    absent: { ...count, description: 'targets that were not connected' },
    received: { ...count, description: 'taken from the bus' },
    sent: { ...count, description: 'sent to connections' },
    conflated: { ...count, description: 'replaced by a later event of the same key before they were sent' },
    withheld: {
      ...count,
      description: 'events not sent to a connection that was congested or over its rate, counted per connection',
    },
    dropped: { ...tally, description: 'by reason' },
  }),
  compression: whole({
    bytes_in: { ...count, description: 'of events, before' },
    bytes_out: { ...count, description: 'and after' },
    skipped: { ...count, description: 'events that were not compressed because the event loop was busy' },
  }),
});

const mailboxCountsSchema = whole({
  appended: { ...count, description: 'events, counted per mailbox' },
  duplicates: count,
  trimmed_unacknowledged: { ...count, description: 'entries that were removed before they were acknowledged' },
  deliveries: { ...count, description: 'events written to connections of the node' },
  ...counts('unwanted', 'holes', 'reads', 'gaps'),
  behind: { ...count, description: 'connections that are behind their mailbox' },
  acks: whole(counts('stored', 'ignored', 'failed')),
});

const registry = whole({
  takeovers: count,
  waiting_takeovers: count,
  evictions: { ...count, description: 'connections of the node that a newer connection replaced' },
  duplicates_found: {
    ...count,
    description: 'events that were written to a connection after a newer connection of its user was established',
  },
  ...counts('pending_releases', 'fenced_periods'),
  fenced_seconds: amount,
  ...counts('live_leases', 'dead_leases'),
});

const queueWorkers = whole({
  standing_aside: flag,
  lanes: listOf(
    whole({
      queue: text,
      ...counts('appended', 'duplicates', 'expired', 'poisoned'),
      direct: { ...count, description: 'events published at this node that were appended at once, past the queue' },
      queued: { ...count, description: 'events published at this node that became jobs' },
      retrying: {
        type: ['object', 'null'],
        properties: { since: time, attempts: count },
        required: ['since', 'attempts'],
        description: 'the job that the worker is retrying because a dependency is not available',
      },
      stalled_ms: { ...count, description: 'how long the next job has waited for a worker; 0: not stalled' },
    }),
  ),
  renewals: { ...tally, description: 'workers that were replaced, by reason' },
  refused: { ...tally, description: 'publishes refused because there was no room, by reason' },
});

/** The statistics of one node. Sums are since its start. */
export const nodeStatsSchema = whole({
  node_id: text,
  process_id: {
    ...text,
    description: 'unique per process, <node_id>~<random>; two processes may have the same node_id',
  },
  lease: text,
  host: text,
  pid: count,
  version: text,
  node_version: { ...text, description: 'of Node.js' },
  uptime_seconds: count,
  standing: { enum: STANDINGS },
  reason: { ...text, description: 'why the node does not serve; empty: it serves' },
  ready: flag,
  draining: flag,
  checks: checksSchema,
  reasons: texts,
  notices: {
    ...listOf(whole({ text, penalty: { ...count, description: 'points that it takes off the score of the cluster' } })),
    description: 'problems that do not stop the node from serving',
  },
  connections,
  messages_received: count,
  messages_by_type: tally,
  publishes: { ...tally, description: 'accepted and duplicate' },
  delivery: deliverySchema,
  mailboxes: mailboxCountsSchema,
  registry,
  legacy: whole({
    connections: { ...count, description: 'to the endpoints of the predecessor' },
    by_group: tally,
    upgrades: { ...tally, description: 'by group, including those that were refused afterwards' },
    established: { ...tally, description: 'by group' },
    messages: { ...tally, description: 'of clients, by type' },
    notices: { ...tally, description: 'deprecation notices, by occasion' },
    replaced: { ...count, description: 'closed by a newer connection of the same user and group' },
  }),
  errors: whole({ total: count, by_code: tally }),
  clock: clockSchema,
  event_loop_lag_ms: whole(amounts('p50', 'p99', 'mean', 'max')),
  memory: whole(counts('rss', 'heap_used', 'heap_total', 'external')),
  cpu_percent: { ...amount, description: 'of one core, over the last 5 to 10 s' },
  machine: whole({
    cpus: { ...count, description: 'that the process may use' },
    load_average: { ...listOf(amount), description: 'of the machine, over 1, 5 and 15 min' },
    memory_total: { ...count, description: 'bytes; the limit of the container, if it has one' },
    memory_available: { ...count, description: 'bytes' },
  }),
  queue_workers: queueWorkers,
  queue_admin: { ...tally, description: 'what admins did to the event queue through this node' },
  events_over_rate: { ...tally, description: 'durable events over the rate of their type, by type' },
  rollout: whole({
    mode: { enum: ROLLOUT_MODES },
    percentage: count,
    enforce: flag,
    version: { ...count, description: 'of the roll-out that is in force on the node' },
    rolled_back: flag,
    notices: { ...count, description: 'messages rollout_changed' },
  }),
});
export type NodeStats = FromSchema<typeof nodeStatsSchema>;

/** Jobs by state. */
const jobCounts = whole(counts(...QUEUE_JOB_STATES));

export const queueSummarySchema = whole({
  size: { ...count, description: 'jobs: waiting, delayed and active' },
  max: { ...count, description: 'EVENT_QUEUE_MAX' },
  counts: jobCounts,
  by_queue: { type: 'object', additionalProperties: jobCounts },
  paused: { ...texts, description: 'queues that an admin has paused' },
});
export type QueueSummary = FromSchema<typeof queueSummarySchema>;

/** Answer of `GET /stats`. */
export const clusterStatsSchema = whole({
  generated_at: time,
  node_id: { ...text, description: 'that was asked' },
  ...counts('total_connections', 'max_connections', 'pending_auth'),
  connections_by_status: tally,
  total_messages_received: count,
  total_messages_sent: { ...count, description: 'event frames handed to connections' },
  total_events_processed: { ...count, description: 'events that the workers appended' },
  event_queue_size: { ...countOrNull, description: 'jobs; null: the queues did not answer' },
  event_queue_max: { ...count, description: 'EVENT_QUEUE_MAX' },
  uptime_seconds: { ...count, description: 'of the node that has been up longest' },
  total_errors: count,
  errors_by_code: tally,
  refused_upgrades: { ...tally, description: 'by reason' },
  queue: { anyOf: [queueSummarySchema, { type: 'null' }], description: 'null: the queues did not answer' },
  nodes: listOf(nodeStatsSchema),
  missing_nodes: { ...texts, description: 'nodes that did not answer in time: the sums are without them' },
});
export type ClusterStatsReport = FromSchema<typeof clusterStatsSchema>;
