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
    summary: 'Opens a WebSocket; asyncapi.json describes what is said on it',
    description:
      'The token travels in `Authorization: Bearer`, in the list of subprotocols (`unified.v1, bearer.<token>`), in the query, or in the first message. A bad one is answered after the upgrade, by a message and a close code.',
    permissions: null,
    schemes: ['bearer'],
    headers: {
      'Sec-WebSocket-Protocol': { type: 'string', description: 'unified.v1, bearer.<token>' },
    },
    query: {
      type: 'object',
      properties: {
        token: { type: 'string', maxLength: MAX_TOKEN_LENGTH, description: 'may end up in logs: prefer the others' },
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
    summary: 'Tells how well the cluster is, and why',
    permissions: ['admin:stats'],
    answers: { 200: { meaning: 'its health, whatever that is', schema: clusterHealthSchema } },
  },
  getErrors: {
    method: 'get',
    path: `${REST_BASE}/errors`,
    tag: 'cluster',
    summary: 'The errors that clients were told, the newest of them, and who has many',
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
    summary: 'Lists the nodes, those that do not answer too',
    permissions: ['admin:stats'],
    answers: { 200: { meaning: 'the nodes', schema: clusterNodesSchema } },
  },
  drainNode: {
    method: 'post',
    path: `${REST_BASE}/nodes/{node_id}/drain`,
    tag: 'cluster',
    summary: 'Takes a node out of service until it is started again; the process goes on',
    permissions: ['admin:drain'],
    params: { node_id: { type: 'string', minLength: 1, description: 'its node_id, or its process_id' } },
    description:
      'Refused (409) for the last node that takes connections, unless `force` is true; and for a node_id that several live processes share (`details.processes` has their ids), which only their process_id tells apart.',
    body: { schema: drainBodySchema, required: false },
    answers: { 200: { meaning: 'what became of the order', schema: nodeDrainedSchema } },
    problems: [404, 409],
    example: { params: { node_id: 'node-1' }, body: { reason: 'maintenance' } },
  },
  reloadCatalogue: {
    method: 'post',
    path: `${REST_BASE}/catalogue/reload`,
    tag: 'cluster',
    summary: 'Puts the event catalogue that lies on the nodes in force, on all of them or on none',
    permissions: ['admin:cluster'],
    body: { schema: queueReasonSchema, required: false },
    answers: { 200: { meaning: 'it is in force', schema: catalogueReloadedSchema } },
    problems: [422],
    example: { body: { reason: 'new event types' } },
  },
  listAudit: {
    method: 'get',
    path: `${REST_BASE}/audit`,
    tag: 'cluster',
    summary: 'Lists what admins did, the newest first',
    permissions: ['admin:audit'],
    query: auditQuerySchema,
    answers: { 200: { meaning: 'a page of records', schema: auditPageSchema } },
    example: { query: { action: 'disconnect', since: '2026-01-01T00:00:00Z', limit: 20 } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
