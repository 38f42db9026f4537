import { amount, amounts, count, countOrNull, counts, flag, tally, text, texts, time, whole } from './schemaParts.js';

/** The common fields of all reports about the cluster. */
const head = { generated_at: time, node_id: { ...text, description: 'that was asked' } } as const;
const tail = {
  missing_nodes: { ...texts, description: 'nodes that did not answer in time: the sums are without them' },
} as const;

const connectionCounts = {
  ...counts('total_connections', 'max_connections', 'pending_auth', 'connections_with_errors', 'buffered_bytes'),
  connections_by_status: tally,
  ...counts('accepted', 'established', 'takeovers', 'evictions', 'total_messages_received', 'total_messages_sent'),
  closed: { ...tally, description: 'by close code' },
  refused_upgrades: { ...tally, description: 'by reason' },
  messages_by_type: tally,
  total_errors: { ...count, description: 'that were sent to clients' },
  errors_by_code: tally,
} as const;

/** `connection_stats`: sums over the cluster, and the figures of each node. */
export const connectionStatsSchema = whole({
  ...head,
  ...connectionCounts,
  uptime_seconds: { ...count, description: 'of the node that has been up longest' },
  nodes: { type: 'array', items: whole({ node_id: text, uptime_seconds: count, ...connectionCounts }) },
  ...tail,
});

const routerCounts = {
  delivery: whole({
    ...counts('events', 'deliveries', 'flushes', 'writes', 'bytes', 'unknown_types', 'gaps', 'cohorts', 'members'),
    ...counts('readers', 'replayed', 'replayed_from_log', 'window_events', 'window_bytes', 'congested', 'congestions'),
    ...counts('drained', 'too_slow', 'rate_limited'),
    ephemeral: whole({
      ...counts('published', 'absent', 'received', 'sent', 'conflated', 'withheld'),
      dropped: { ...tally, description: 'by reason' },
    }),
    compression: whole(counts('bytes_in', 'bytes_out', 'skipped')),
  }),
  mailboxes: whole({
    ...counts('appended', 'duplicates', 'trimmed_unacknowledged', 'deliveries', 'unwanted', 'holes', 'reads', 'gaps'),
    ...counts('behind'),
    acks: whole(counts('stored', 'ignored', 'failed')),
  }),
  workers: whole(counts('appended', 'duplicates', 'expired', 'poisoned', 'direct', 'queued')),
  publishes: { ...tally, description: 'accepted and duplicate' },
  refused_publishes: { ...tally, description: 'publishes refused because there was no room, by reason' },
  events_over_rate: { ...tally, description: 'durable events over the rate of their type, by type' },
} as const;

/** `router_stats`: figures about events, summed over the cluster and for each node. */
export const routerStatsSchema = whole({
  ...head,
  ...routerCounts,
  event_queue_size: { ...countOrNull, description: 'jobs; null: the queues did not answer' },
  event_queue_max: count,
  paused_queues: texts,
  nodes: { type: 'array', items: whole({ node_id: text, standing_aside: flag, ...routerCounts }) },
  ...tail,
});

/** The reply `system_metrics`. The event of the same name has `scope`. */
export const systemMetricsSchema = whole({
  ...head,
  websocket: whole({
    ...counts('total_connections', 'total_messages_sent', 'total_events_processed'),
    event_queue_size: { ...countOrNull, description: 'jobs; null: the queues did not answer' },
  }),
  nodes: {
    type: 'array',
    items: whole({
      node_id: text,
      host: text,
      pid: count,
      version: text,
      node_version: { ...text, description: 'of Node.js' },
      uptime_seconds: count,
      ready: flag,
      draining: flag,
      total_connections: count,
      system: whole({
        cpus: { ...count, description: 'that the process may use' },
        load_average: { type: 'array', items: amount, description: 'of the machine, over 1, 5 and 15 min' },
        memory_total: { ...count, description: 'bytes; the limit of the container, if it has one' },
        memory_available: { ...count, description: 'bytes' },
      }),
      process: whole({
        cpu_percent: { ...amount, description: 'of one core, over the last 5 to 10 s' },
        ...counts('memory_rss', 'heap_used', 'heap_total', 'external'),
      }),
      event_loop_lag_ms: whole(amounts('p50', 'p99', 'mean', 'max')),
    }),
  },
  ...tail,
});
