import { clockSchema } from './clockReport.js';
import { queueReasonSchema } from './queue.js';
import type { FromSchema, JSONSchema } from './schema.js';
import { amount, count, text, texts, time } from './schemaParts.js';

/** The state of a node for admins. `draining`: it accepts no connections and sends its own away. */
export const NODE_STATES = ['ready', 'not_ready', 'draining', 'no_answer'] as const;

/** Results of an order to drain a node. `node_unreachable`: no answer; the order may still reach it. */
const DRAIN_RESULTS = ['draining', 'node_unreachable'] as const;

export const clusterNodeSchema = {
  type: 'object',
  properties: {
    node_id: text,
    process_id: { type: ['string', 'null'], description: 'unique per process; null: the node did not answer' },
    state: { enum: NODE_STATES },
    score: { ...count, maximum: 100, description: 'as in /health' },
    reasons: { ...texts, description: 'why it is not ready' },
    notices: { ...texts, description: 'problems that do not stop the node from serving' },
    facts: {
      type: ['object', 'null'],
      properties: {
        lease: text,
        host: text,
        pid: count,
        version: text,
        uptime_seconds: count,
        total_connections: count,
        max_connections: count,
        cpu_percent: { ...amount, description: 'of one core' },
        memory_rss: { ...count, description: 'bytes' },
        event_loop_lag_ms: { ...amount, description: '99 % of the turns of the event loop were delayed no longer' },
        clock: clockSchema,
      },
      required: [
        'lease',
        'host',
        'pid',
        'version',
        'uptime_seconds',
        'total_connections',
        'max_connections',
        'cpu_percent',
        'memory_rss',
        'event_loop_lag_ms',
        'clock',
      ],
      description: 'null: it did not answer',
    },
  },
  required: ['node_id', 'process_id', 'state', 'score', 'reasons', 'notices', 'facts'],
} as const satisfies JSONSchema;
export type ClusterNode = FromSchema<typeof clusterNodeSchema>;

/** Answer of `GET /nodes`. */
export const clusterNodesSchema = {
  type: 'object',
  properties: { generated_at: time, nodes: { type: 'array', items: clusterNodeSchema } },
  required: ['generated_at', 'nodes'],
} as const satisfies JSONSchema;
export type ClusterNodes = FromSchema<typeof clusterNodesSchema>;

/** Body of `POST /nodes/:id/drain`; optional. */
export const drainBodySchema = {
  type: 'object',
  properties: {
    ...queueReasonSchema.properties,
    force: { type: 'boolean', description: 'also when no other node takes connections' },
  },
  additionalProperties: false,
} as const satisfies JSONSchema;
export type DrainBody = FromSchema<typeof drainBodySchema>;

/** Answer of `POST /nodes/:id/drain`. */
export const nodeDrainedSchema = {
  type: 'object',
  properties: {
    node_id: text,
    process_id: { ...text, description: 'the process that got the order' },
    result: { enum: DRAIN_RESULTS },
    connections: {
      type: ['integer', 'null'],
      minimum: 0,
      description: 'that were open when it began; null: not known',
    },
    took_ms: amount,
  },
  required: ['node_id', 'process_id', 'result', 'connections', 'took_ms'],
} as const satisfies JSONSchema;
export type NodeDrained = FromSchema<typeof nodeDrainedSchema>;
