import { serverMessages } from '../../messages/serverMessages.js';
import { allConnectionsSchema, connectionsQuerySchema } from '../../schemas/connections.js';
import { legacyQuerySchema, legacyUsersSchema } from '../../schemas/legacy.js';
import { MAX_USER_ID_LENGTH } from '../../schemas/publish.js';
import { queueReasonSchema } from '../../schemas/queue.js';
import {
  banLiftedSchema,
  mailboxSchema,
  permissionsChangedSchema,
  revokedSchema,
  userReportSchema,
} from '../../schemas/userReplies.js';
import { disconnectBodySchema, permissionsChangedBodySchema, REST_BASE, revokeBodySchema } from '../rest.js';
import type { RestOperation } from '../restOperation.js';

const params = {
  user_id: {
    type: 'string',
    minLength: 1,
    maxLength: MAX_USER_ID_LENGTH,
    description: 'of 1 to 128 bytes: `sub` of the token',
  },
} as const;
const example = { params: { user_id: 'user-1' } };

/** Users and their connections. */
export const userOperations = {
  listConnections: {
    method: 'get',
    path: `${REST_BASE}/connections`,
    tag: 'users',
    summary: 'Lists the open connections of the cluster, page by page',
    description:
      'Ask on with `cursor=<next_cursor>` until it is null, on any node. Whoever is connected throughout comes in exactly one page.',
    permissions: ['admin:connections'],
    query: connectionsQuerySchema,
    answers: { 200: { meaning: 'a page of connections', schema: allConnectionsSchema } },
    example: { query: { limit: 50, healthy: true } },
  },
  listLegacyUsers: {
    method: 'get',
    path: `${REST_BASE}/legacy/connections`,
    tag: 'users',
    summary: 'Lists the users who still use the endpoints of the predecessor, page by page',
    permissions: ['admin:connections'],
    query: legacyQuerySchema,
    answers: { 200: { meaning: 'a page of users', schema: legacyUsersSchema } },
    example: { query: { limit: 50 } },
  },
  getUser: {
    method: 'get',
    path: `${REST_BASE}/user/{user_id}`,
    tag: 'users',
    summary: "Shows a user's connection, on whatever node it is",
    description: 'With 404 a ban stands in `details.ban`.',
    permissions: ['admin:connections'],
    params,
    answers: { 200: { meaning: 'the connection', schema: userReportSchema } },
    problems: [404],
    example,
  },
  disconnectUser: {
    method: 'post',
    path: `${REST_BASE}/disconnect/{user_id}`,
    tag: 'users',
    summary: "Ends a user's connection on whatever node it is, and bans the user if asked to",
    description:
      'Answered within COMMAND_TIMEOUT_MS, whatever came of it: an owner that does not answer is fenced in Redis. 403 with `details.reason` `outranked`: the user is connected and holds an admin permission that the caller lacks.',
    permissions: ['admin:disconnect'],
    params,
    body: { schema: disconnectBodySchema, required: false },
    answers: { 200: { meaning: 'what became of it', schema: serverMessages.user_disconnected.data } },
    example: { ...example, body: { reason: 'maintenance', ban_seconds: 60 } },
  },
  revokeUser: {
    method: 'post',
    path: `${REST_BASE}/users/{user_id}/revoke`,
    tag: 'users',
    summary: "Voids a user's tokens: all until now, those before a time, or those of a session",
    description: '403 with `details.reason` `outranked`: as for a disconnect.',
    permissions: ['admin:disconnect'],
    params,
    body: { schema: revokeBodySchema, required: false },
    answers: { 200: { meaning: 'what became of it; the order is stored', schema: revokedSchema } },
    example: { ...example, body: { session: 'session-1' } },
  },
  liftBan: {
    method: 'delete',
    path: `${REST_BASE}/users/{user_id}/ban`,
    tag: 'users',
    summary: "Lifts a user's ban",
    permissions: ['admin:disconnect'],
    params,
    query: queueReasonSchema,
    answers: { 200: { meaning: 'what became of it', schema: banLiftedSchema } },
    example,
  },
  changePermissions: {
    method: 'post',
    path: `${REST_BASE}/users/{user_id}/permissions-changed`,
    tag: 'users',
    summary: 'Gives a user other roles or permissions than his tokens say, or asks for a newer token',
    description:
      'The answer waits for the next whole second: tokens that are issued after it count as new. Nobody gives more than he has (403, `details.reason` `exceeds_own`), nor acts on a connected user who holds an admin permission that he lacks (403, `outranked`).',
    permissions: ['admin:permissions'],
    params,
    body: { schema: permissionsChangedBodySchema, required: false },
    answers: { 200: { meaning: 'what became of it; the order is stored', schema: permissionsChangedSchema } },
    example: { ...example, body: { roles: ['user'] } },
  },
  getMailbox: {
    method: 'get',
    path: `${REST_BASE}/users/{user_id}/mailbox`,
    tag: 'users',
    summary: 'Shows what lies in the mailbox of a user',
    description: 'What the caller could not receive himself is withheld: events limited to others, and masked fields.',
    permissions: ['admin:connections'],
    params,
    answers: { 200: { meaning: 'the mailbox; of a user without one too', schema: mailboxSchema } },
    example,
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
