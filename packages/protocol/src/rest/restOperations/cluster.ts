import { MAX_CLIENT_LENGTH, MAX_RESUME_LENGTH } from '../../events/positions.js';
import { MAX_TOKEN_LENGTH } from '../../messages/clientMessages.js';
import { auditPageSchema, auditQuerySchema } from '../../schemas/audit.js';
import { clusterErrorsSchema, clusterHealthSchema } from '../../schemas/healthReports.js';
import { infoSchema } from '../../schemas/info.js';
import { clusterStatsSchema } from '../../schemas/nodeReports.js';
import { clusterNodesSchema, drainBodySchema, nodeDrainedSchema } from '../../schemas/nodes.js';
import { queueReasonSchema } from '../../schemas/queue.js';
import { catalogueReloadedSchema, REST_BASE, WS_PATH } from '../rest.js';
import type { RestOperation } from '../restOperation.js';

/** What the cluster is, does and suffers. */
export const clusterOperations = {
  openWebSocket: {
    method: 'get',
    path: WS_PATH,
    tag: 'cluster',
    summary: 'Opens a WebSocket; asyncapi.json describes its messages',
    description:
      'Send the token in `Authorization: Bearer`, as a subprotocol (`unified.v1, bearer.<token>`), in the query, or in the first message. A bad token is answered after the upgrade, with a message and a close code.',
    permissions: null,
    schemes: ['bearer'],
    headers: {
      'Sec-WebSocket-Protocol': { type: 'string', description: 'unified.v1, bearer.<token>' },
    },
    query: {
      type: 'object',
      properties: {
        token: { type: 'string', maxLength: MAX_TOKEN_LENGTH, description: 'may appear in logs: prefer another way' },
        client: { type: 'string', maxLength: MAX_CLIENT_LENGTH, description: '<id of the client instance>.<attempt>' },
        resume: { type: 'string', maxLength: MAX_RESUME_LENGTH, description: '<broadcast position>~<user position>' },
      },
    },
    answers: { 101: { meaning: 'the WebSocket is open', type: null } },
    problems: [400, 403, 426, 429, 503],
  },
  getStats: {
    method: 'get',
    path: `${REST_BASE}/stats`,
    tag: 'cluster',
    summary: 'Statistics of the cluster and of each node',
    permissions: ['admin:stats'],
    answers: { 200: { meaning: 'the statistics', schema: clusterStatsSchema } },
  },
  getHealth: {
    method: 'get',
    path: `${REST_BASE}/health`,
    tag: 'cluster',
    summary: 'Shows the health of the cluster, with reasons',
    permissions: ['admin:stats'],
    answers: { 200: { meaning: 'the health, good or bad', schema: clusterHealthSchema } },
  },
  getErrors: {
    method: 'get',
    path: `${REST_BASE}/errors`,
    tag: 'cluster',
    summary: 'The errors that were sent to clients, the newest ones, and the users who have many',
    permissions: ['admin:stats'],
    answers: { 200: { meaning: 'the errors', schema: clusterErrorsSchema } },
  },
  getInfo: {
    method: 'get',
    path: `${REST_BASE}/info`,
    tag: 'cluster',
    summary: 'What this service can do: messages, event types, codes, limits',
    permissions: null,
    answers: { 200: { meaning: 'the capabilities', schema: infoSchema } },
  },
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
  reloadCatalogue: {
    method: 'post',
    path: `${REST_BASE}/catalogue/reload`,
    tag: 'cluster',
    summary: 'Loads the event catalogue from the files on the nodes, on all nodes or on none',
    permissions: ['admin:cluster'],
    body: { schema: queueReasonSchema, required: false },
    answers: { 200: { meaning: 'the catalogue is in force', schema: catalogueReloadedSchema } },
    problems: [422],
    example: { body: { reason: 'new event types' } },
  },
  listAudit: {
    method: 'get',
    path: `${REST_BASE}/audit`,
    tag: 'cluster',
    summary: 'Lists admin actions, newest first',
    permissions: ['admin:audit'],
    query: auditQuerySchema,
    answers: { 200: { meaning: 'a page of records', schema: auditPageSchema } },
    example: { query: { action: 'disconnect', since: '2026-01-01T00:00:00Z', limit: 20 } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
