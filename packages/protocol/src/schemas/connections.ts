import { MAX_EVENT_TYPE_LENGTH, MAX_ROLE_LENGTH, MAX_USER_ID_LENGTH } from './publish.js';
import type { FromSchema, JSONSchema } from './schema.js';
import { count, text, texts, time } from './schemaParts.js';

/** States of a connection, by their names on the wire. */
export const CONNECTION_STATUSES = [
  'connecting',
  'connected',
  'recovering',
  'error',
  'disconnecting',
  'disconnected',
] as const;
export type ConnectionStatus = (typeof CONNECTION_STATUSES)[number];

/** Reasons why a connection is not healthy, with their meanings. */
const connectionFaults = {
  establishing: 'it is not established yet',
  suspended: 'its node was cut off from the cluster; nothing is delivered until the connection is confirmed as current',
  congested: 'its peer reads more slowly than the node sends; nothing is written until the socket has emptied',
  backlog: 'more than half of MAX_BUFFERED_BYTES waits in the socket',
  unanswered_ping: 'nothing was heard from the peer for more than half of PING_TIMEOUT_MS after a ping',
  errors: 'the last message of the client was answered with an error',
} as const;
export type ConnectionFault = keyof typeof connectionFaults;
export const CONNECTION_FAULTS = Object.keys(connectionFaults) as readonly ConnectionFault[];

/** Schema of `health_reasons`. */
export const healthReasonsSchema = {
  type: 'array',
  items: { enum: CONNECTION_FAULTS },
  description: 'why the connection is not healthy; empty: healthy',
} as const satisfies JSONSchema;

const MAX_CONNECTIONS_PAGE = 200;
export const DEFAULT_CONNECTIONS_PAGE = 100;
/** The start of the listing, and the last user of the previous page. */
export const CONNECTIONS_CURSOR_PATTERN = '^[0-9a-z]{1,9}\\.[A-Za-z0-9_-]{2,172}$';
const MAX_NODE_ID_LENGTH = 128;

const page = {
  limit: {
    type: 'integer',
    minimum: 1,
    maximum: MAX_CONNECTIONS_PAGE,
    description: `maximum number of connections; default: ${DEFAULT_CONNECTIONS_PAGE}`,
  },
  cursor: {
    type: 'string',
    maxLength: 182,
    pattern: CONNECTIONS_CURSOR_PATTERN,
    description: 'next_cursor of the page before',
  },
} as const satisfies Readonly<Record<string, JSONSchema>>;

/** Filters of the list. An absent filter has no effect. */
const filter = {
  user: {
    type: 'string',
    minLength: 1,
    maxLength: MAX_USER_ID_LENGTH,
    description: 'part of the user id or the username, in upper or lower case',
  },
  role: { type: 'string', minLength: 1, maxLength: MAX_ROLE_LENGTH },
  node_id: { type: 'string', minLength: 1, maxLength: MAX_NODE_ID_LENGTH },
  category: {
    type: 'string',
    minLength: 1,
    maxLength: MAX_EVENT_TYPE_LENGTH,
    description: 'subscribed to at least one event type of this category, or group of categories',
  },
  healthy: { type: 'boolean' },
} as const satisfies Readonly<Record<string, JSONSchema>>;

const connectionFilterSchema = {
  type: 'object',
  properties: filter,
  additionalProperties: false,
} as const satisfies JSONSchema;
export type ConnectionFilter = FromSchema<typeof connectionFilterSchema>;

/** `get_all_connections`. */
export const allConnectionsRequestSchema = {
  type: 'object',
  properties: { ...page, filter: connectionFilterSchema },
  additionalProperties: false,
} as const satisfies JSONSchema;
export type AllConnectionsRequest = FromSchema<typeof allConnectionsRequestSchema>;

/** The query of `GET /connections`. */
export const connectionsQuerySchema = {
  type: 'object',
  properties: { ...page, ...filter },
  additionalProperties: false,
} as const satisfies JSONSchema;

export const listedConnectionSchema = {
  type: 'object',
  properties: {
    user_id: text,
    username: { type: ['string', 'null'] },
    connection_id: text,
    node_id: text,
    roles: texts,
    is_admin: { type: 'boolean' },
    ip: text,
    status: { enum: CONNECTION_STATUSES },
    connected_at: time,
    is_healthy: { type: 'boolean' },
    health_reasons: healthReasonsSchema,
    subscriptions: texts,
    message_count: { ...count, description: 'messages received from the client' },
    error_count: { ...count, description: 'errors that were sent to the client' },
    last_activity: { ...time, description: 'when the client last sent something' },
    fence: count,
  },
  required: [
    'user_id',
    'username',
    'connection_id',
    'node_id',
    'roles',
    'is_admin',
    'ip',
    'status',
    'connected_at',
    'is_healthy',
    'health_reasons',
    'subscriptions',
    'message_count',
    'error_count',
    'last_activity',
    'fence',
  ],
} as const satisfies JSONSchema;
export type ListedConnection = FromSchema<typeof listedConnectionSchema>;

/** `all_connections`, and the answer of `GET /connections`. */
export const allConnectionsSchema = {
  type: 'object',
  properties: {
    connections: { type: 'object', additionalProperties: listedConnectionSchema, description: 'by user id' },
    total_count: {
      ...count,
      description: 'open connections of all nodes that answered, before the filter',
    },
    next_cursor: {
      type: ['string', 'null'],
      description: 'for the next page; a short or empty page may have a next one. null: this is the last page',
    },
    missing_nodes: {
      ...texts,
      description: 'nodes whose connections are missing: they did not answer, or died since the first page',
    },
  },
  required: ['connections', 'total_count', 'next_cursor', 'missing_nodes'],
} as const satisfies JSONSchema;
export type AllConnections = FromSchema<typeof allConnectionsSchema>;
