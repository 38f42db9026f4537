import { serverMessages } from '../../messages/serverMessages.js';
import { queueReasonSchema } from '../../schemas/queue.js';
import {
  banLiftedSchema,
  permissionsChangedSchema,
  revokedSchema,
  userReportSchema,
} from '../../schemas/userReplies.js';
import { disconnectBodySchema, permissionsChangedBodySchema, REST_BASE, revokeBodySchema } from '../rest.js';
import type { RestOperation } from '../restOperation.js';
import { userIdParams } from '../restOperationParts.js';

const example = { params: { user_id: 'user-1' } };

/** Single users' connections, tokens and permissions. */
export const userOperations = {
  getUser: {
    method: 'get',
    path: `${REST_BASE}/user/{user_id}`,
    tag: 'users',
    summary: "Shows a user's connection on any node",
    description: 'A 404 has the ban of the user, if any, in `details.ban`.',
    permissions: ['admin:connections'],
    params: userIdParams,
    answers: { 200: { meaning: 'the connection', schema: userReportSchema } },
    problems: [404],
    example,
  },
  disconnectUser: {
    method: 'post',
    path: `${REST_BASE}/disconnect/{user_id}`,
    tag: 'users',
    summary: "Closes a user's connection on any node, and bans the user if ban_seconds is given",
    description:
      'Always answered within COMMAND_TIMEOUT_MS: a node that does not answer is fenced in Redis. 403 with `details.reason` `outranked`: the user is connected and holds an admin permission that the caller lacks.',
    permissions: ['admin:disconnect'],
    params: userIdParams,
    body: { schema: disconnectBodySchema, required: false },
    answers: { 200: { meaning: 'the result', schema: serverMessages.user_disconnected.data } },
    example: { ...example, body: { reason: 'maintenance', ban_seconds: 60 } },
  },
  revokeUser: {
    method: 'post',
    path: `${REST_BASE}/users/{user_id}/revoke`,
    tag: 'users',
    summary: "Revokes a user's tokens: all until now, those before a time, or those of a session",
    description: '403 with `details.reason` `outranked`: as for a disconnect.',
    permissions: ['admin:disconnect'],
    params: userIdParams,
    body: { schema: revokeBodySchema, required: false },
    answers: { 200: { meaning: 'the result; the order is stored', schema: revokedSchema } },
    example: { ...example, body: { session: 'session-1' } },
  },
  liftBan: {
    method: 'delete',
    path: `${REST_BASE}/users/{user_id}/ban`,
    tag: 'users',
    summary: "Lifts a user's ban",
    permissions: ['admin:disconnect'],
    params: userIdParams,
    query: queueReasonSchema,
    answers: { 200: { meaning: 'the result', schema: banLiftedSchema } },
    example,
  },
  changePermissions: {
    method: 'post',
    path: `${REST_BASE}/users/{user_id}/permissions-changed`,
    tag: 'users',
    summary: "Changes a user's roles or permissions, or requires a newer token",
    description:
      'The answer waits for the next whole second: tokens issued after it count as new. Callers cannot grant more than they have (403, `details.reason` `exceeds_own`), and cannot act on a connected user who holds an admin permission that they lack (403, `outranked`).',
    permissions: ['admin:permissions'],
    params: userIdParams,
    body: { schema: permissionsChangedBodySchema, required: false },
    answers: { 200: { meaning: 'the result; the order is stored', schema: permissionsChangedSchema } },
    example: { ...example, body: { roles: ['user'] } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
