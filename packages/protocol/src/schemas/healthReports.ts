import { ERROR_CODES } from '../codes/errorCodes.js';
import { CONNECTION_STATUSES } from './connections.js';
import { checksSchema } from './nodeReports.js';
import { NODE_STATES } from './nodes.js';
import type { FromSchema } from './schema.js';
import { amount, count, countOrNull, listOf, tally, text, textOrNull, texts, time, whole } from './schemaParts.js';

const HEALTH_STATUSES = ['healthy', 'degraded', 'unhealthy'] as const;

const score = { type: 'integer', minimum: 0, maximum: 100 } as const;
const missing = {
  ...texts,
  description: 'nodes that did not answer in time; as process_id if another process with the same node_id did',
} as const;

export const nodeHealthSchema = whole({
  node_id: text,
  process_id: { ...textOrNull, description: 'null: it did not answer' },
  state: { enum: NODE_STATES },
  score,
  reasons: texts,
  connections: { ...countOrNull, description: 'null: it did not answer' },
  checks: { anyOf: [checksSchema, { type: 'null' }], description: 'null: it did not answer' },
});
export type NodeHealth = FromSchema<typeof nodeHealthSchema>;

/** Answer of `GET /health`. */
export const clusterHealthSchema = whole({
  status: { enum: HEALTH_STATUSES },
  score,
  reasons: { ...texts, description: 'reasons for lost points, with the node or queue' },
  generated_at: time,
  total_connections: count,
  healthy_connections: { ...count, description: 'those that the list gives with `healthy=true`, and legacy ones' },
  recovering_connections: count,
  error_connections: { ...count, description: 'connections whose last message was bad' },
  event_queue_size: { ...countOrNull, description: 'jobs; null: the queues did not answer' },
  uptime_seconds: count,
  nodes: listOf(nodeHealthSchema),
  missing_nodes: missing,
});
export type ClusterHealthReport = FromSchema<typeof clusterHealthSchema>;

const connectionErrorsSchema = whole({
  user_id: text,
  username: textOrNull,
  connection_id: text,
  node_id: text,
  error_count: count,
  error_rate_per_minute: amount,
  consecutive_errors: count,
  status: { enum: CONNECTION_STATUSES },
});
export type ConnectionErrors = FromSchema<typeof connectionErrorsSchema>;

const recordedError = {
  at: time,
  code: { enum: ERROR_CODES },
  via: { enum: ['websocket', 'rest'] },
  connection_id: textOrNull,
  user_id: { ...textOrNull, description: 'null: not authenticated' },
} as const;
const recordedErrorSchema = whole(recordedError);
/** An error that a client or caller received. Has no text, because a message could quote client data. */
export type RecordedError = FromSchema<typeof recordedErrorSchema>;

/** Answer of `GET /errors`. */
export const clusterErrorsSchema = whole({
  generated_at: time,
  total_errors: { ...count, description: 'that were sent to clients' },
  by_code: tally,
  connections_with_errors: { ...count, description: 'connections that were sent at least one error' },
  high_error_rate_connections: {
    ...listOf(connectionErrorsSchema),
    description: 'worst first; at most 50 of each node',
  },
  recent_errors: { ...listOf(whole({ ...recordedError, node_id: text })), description: 'newest first' },
  missing_nodes: missing,
});
export type ClusterErrorsReport = FromSchema<typeof clusterErrorsSchema>;
