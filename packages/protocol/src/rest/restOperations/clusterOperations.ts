import { MAX_CLIENT_LENGTH, MAX_RESUME_LENGTH } from '../../events/positions.js';
import { MAX_TOKEN_LENGTH } from '../../messages/clientMessages.js';
import { clusterErrorsSchema, clusterHealthSchema } from '../../schemas/healthReports.js';
import { infoSchema } from '../../schemas/info.js';
import { clusterStatsSchema } from '../../schemas/nodeReports.js';
import { REST_BASE, WS_PATH } from '../rest.js';
import type { RestOperation } from '../restOperation.js';

/** The WebSocket endpoint, and the state of the cluster. */
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
} as const satisfies Readonly<Record<string, RestOperation>>;
