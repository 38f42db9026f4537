import { queueReasonSchema } from '../../schemas/queue.js';
import {
  ownRolloutSchema,
  rolloutBodySchema,
  rolloutChangedSchema,
  rolloutSchema,
  userRolloutSchema,
} from '../../schemas/rollout.js';
import { REST_BASE } from '../rest.js';
import type { RestOperation } from '../restOperation.js';
import { userIdParams } from '../restOperationParts.js';

const lists = { user_list: ['user-1', 'user-7'], force_legacy: ['user-9'] };

/** The roll-out of the unified endpoint to users of the legacy endpoints. Each change leaves an audit record. */
export const rolloutOperations = {
  getRollout: {
    method: 'get',
    path: `${REST_BASE}/rollout`,
    tag: 'rollout',
    summary: 'Shows the roll-out, the effect of each mode on the connected users, and the nodes that have it in force',
    permissions: ['admin:cluster', 'admin:connections'],
    answers: { 200: { meaning: 'the roll-out', schema: rolloutSchema } },
  },
  setRollout: {
    method: 'put',
    path: `${REST_BASE}/rollout`,
    tag: 'rollout',
    summary: 'Sets the roll-out of the whole cluster, at once',
    description: '409: the roll-out was changed since the given `version`; `details.version` is the present one.',
    permissions: ['admin:cluster'],
    body: { schema: rolloutBodySchema, required: true },
    answers: { 200: { meaning: 'the roll-out is stored, and in force on `nodes`', schema: rolloutChangedSchema } },
    problems: [409],
    example: { body: { mode: 'gradual', percentage: 5, ...lists, enforce: false, version: 1, reason: 'week 2' } },
  },
  rollBackRollout: {
    method: 'post',
    path: `${REST_BASE}/rollout/rollback`,
    tag: 'rollout',
    summary: 'Emergency: assigns all users to the legacy endpoints, and opens these to everybody, at once',
    description:
      'The former state is kept for `/rollout/restore`. Repeating it changes nothing, and asks all nodes again.',
    permissions: ['admin:cluster'],
    body: { schema: queueReasonSchema, required: false },
    answers: { 200: { meaning: 'the roll-out is stored, and in force on `nodes`', schema: rolloutChangedSchema } },
    problems: [409],
    example: { body: { reason: 'the new clients reconnect in a loop' } },
  },
  restoreRollout: {
    method: 'post',
    path: `${REST_BASE}/rollout/restore`,
    tag: 'rollout',
    summary: 'Undoes a roll-back: the state before it is in force again',
    description: '409: there is no roll-back, or the roll-out was set after it.',
    permissions: ['admin:cluster'],
    body: { schema: queueReasonSchema, required: false },
    answers: { 200: { meaning: 'the roll-out is stored, and in force on `nodes`', schema: rolloutChangedSchema } },
    problems: [409],
    example: { body: { reason: 'the clients are mended' } },
  },
  getOwnRollout: {
    method: 'get',
    path: `${REST_BASE}/rollout/me`,
    tag: 'rollout',
    summary: 'The endpoint that the caller is assigned to: a front end asks before it connects',
    permissions: 'any',
    answers: { 200: { meaning: 'the decision, and where to connect', schema: ownRolloutSchema } },
  },
  getUserRollout: {
    method: 'get',
    path: `${REST_BASE}/rollout/users/{user_id}`,
    tag: 'rollout',
    summary: 'The endpoint that a user is assigned to, and why',
    permissions: ['admin:cluster', 'admin:connections'],
    params: userIdParams,
    answers: { 200: { meaning: 'the decision', schema: userRolloutSchema } },
    example: { params: { user_id: 'user-1' } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
