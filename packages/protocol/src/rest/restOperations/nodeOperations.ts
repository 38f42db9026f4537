import { clusterNodesSchema, drainBodySchema, nodeDrainedSchema } from '../../schemas/nodes.js';
import { REST_BASE } from '../rest.js';
import type { RestOperation } from '../restOperation.js';

/** The nodes of the cluster. */
export const nodeOperations = {
  listNodes: {
    method: 'get',
    path: `${REST_BASE}/nodes`,
    tag: 'cluster',
    summary: 'Lists the nodes, including those that do not answer',
    permissions: ['admin:stats'],
    answers: { 200: { meaning: 'the nodes', schema: clusterNodesSchema } },
  },
  drainNode: {
    method: 'post',
    path: `${REST_BASE}/nodes/{node_id}/drain`,
    tag: 'cluster',
    summary: 'Takes a node out of service until it is restarted; the process keeps running',
    permissions: ['admin:drain'],
    params: { node_id: { type: 'string', minLength: 1, description: 'node_id or process_id of the node' } },
    description:
      '409 for the last node that accepts connections, unless `force` is true. 409 for a node_id that several live processes share: use a process_id of `details.processes`.',
    body: { schema: drainBodySchema, required: false },
    answers: { 200: { meaning: 'the result', schema: nodeDrainedSchema } },
    problems: [404, 409],
    example: { params: { node_id: 'node-1' }, body: { reason: 'maintenance' } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
