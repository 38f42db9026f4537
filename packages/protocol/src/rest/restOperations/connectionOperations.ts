import { allConnectionsSchema, connectionsQuerySchema } from '../../schemas/connections.js';
import { REST_BASE } from '../rest.js';
import type { RestOperation } from '../restOperation.js';

/** The open connections of the cluster. */
export const connectionOperations = {
  listConnections: {
    method: 'get',
    path: `${REST_BASE}/connections`,
    tag: 'users',
    summary: 'Lists the open connections of the cluster, page by page',
    description:
      'Repeat with `cursor=<next_cursor>`, on any node, until it is null. A connection that stays open is on exactly one page.',
    permissions: ['admin:connections'],
    query: connectionsQuerySchema,
    answers: { 200: { meaning: 'a page of connections', schema: allConnectionsSchema } },
    example: { query: { limit: 50, healthy: true } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
