import { MAX_USER_ID_LENGTH } from './publish.js';
import { queueReasonSchema } from './queue.js';
import type { FromSchema, JSONSchema } from './schema.js';
import { amount, count, flag, listOf, text, texts, time, timeOrNull, whole } from './schemaParts.js';

/** Who is assigned to the unified endpoint: nobody, the listed users, those and a percentage of all others, everybody. */
export const ROLLOUT_MODES = ['disabled', 'testing', 'gradual', 'full'] as const;
export type RolloutMode = (typeof ROLLOUT_MODES)[number];

/** The endpoint that a user is assigned to. */
const ROLLOUT_ENDPOINTS = ['legacy', 'unified'] as const;

/** Reasons of the assignment. */
export const ROLLOUT_REASONS = [
  'legacy_endpoints_off',
  'force_legacy',
  'disabled',
  'full',
  'user_list',
  'not_listed',
  'within_percentage',
  'beyond_percentage',
] as const;
export type RolloutReason = (typeof ROLLOUT_REASONS)[number];

/** Maximum number of users of one list. Two full lists of UUIDs still fit into the body of a request. */
export const MAX_ROLLOUT_USERS = 5000;

const mode = { enum: ROLLOUT_MODES } as const satisfies JSONSchema;
const percentage = {
  type: 'integer',
  minimum: 0,
  maximum: 100,
  description: 'of the users who are in neither list, in mode gradual',
} as const satisfies JSONSchema;
const enforce = {
  type: 'boolean',
  description: 'the legacy endpoints refuse users who are assigned to the unified one',
} as const satisfies JSONSchema;
const version = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const satisfies JSONSchema;
const { reason } = queueReasonSchema.properties;
const userIds = {
  type: 'array',
  items: { type: 'string', minLength: 1, maxLength: MAX_USER_ID_LENGTH },
  maxItems: MAX_ROLLOUT_USERS,
} as const satisfies JSONSchema;

/** Body of `PUT /rollout`: the whole state. For a missing list it would not be clear whether it stays or is removed. */
export const rolloutBodySchema = {
  type: 'object',
  properties: {
    mode,
    percentage,
    user_list: { ...userIds, description: 'assigned to the unified endpoint in modes testing and gradual' },
    force_legacy: { ...userIds, description: 'assigned to the legacy endpoints in every mode' },
    enforce,
    version: { ...version, description: 'refused if the present state has another version; left out: any version' },
    reason,
  },
  required: ['mode', 'percentage', 'user_list', 'force_legacy', 'enforce'],
  additionalProperties: false,
} as const satisfies JSONSchema;
export type RolloutBody = FromSchema<typeof rolloutBodySchema>;

const state = {
  mode,
  percentage,
  user_list: texts,
  force_legacy: texts,
  enforce,
  version: { ...version, description: 'grows by one with each change; 0: nothing was ever set' },
  changed_at: timeOrNull,
  changed_by: { type: ['string', 'null'], description: 'user id' },
  reason: text,
  rolled_back: {
    type: ['object', 'null'],
    properties: { mode, enforce, at: time, by: { ...text, description: 'user id' }, reason: text },
    required: ['mode', 'enforce', 'at', 'by', 'reason'],
    description: 'the state that POST /rollout/restore would bring back; null: no roll-back since the last PUT',
  },
} as const satisfies Readonly<Record<string, JSONSchema>>;

const nodes = listOf(
  whole({
    node_id: text,
    version: { ...version, description: 'of the state that is in force there' },
    legacy_endpoints: { ...flag, description: 'LEGACY_ENDPOINTS of the node' },
  }),
);
const missingNodes = {
  ...texts,
  description: 'nodes that did not answer: they read the state before they deliver again',
} as const satisfies JSONSchema;

const modeFacts = whole({
  meaning: text,
  connected: {
    ...whole({ legacy: count, unified: count }),
    description: 'users with a unified connection, by the endpoint that this mode would assign to them',
  },
});

/** Answer of `GET /rollout`. */
export const rolloutSchema = whole({
  ...state,
  modes: whole({ disabled: modeFacts, testing: modeFacts, gradual: modeFacts, full: modeFacts } satisfies Record<
    RolloutMode,
    JSONSchema
  >),
  nodes: { ...nodes, description: 'those that answered' },
  missing_nodes: missingNodes,
});
export type RolloutReport = FromSchema<typeof rolloutSchema>;

/** Answer of `PUT /rollout`, `POST /rollout/rollback` and `POST /rollout/restore`. */
export const rolloutChangedSchema = whole({
  result: { enum: ['changed', 'unchanged'], description: 'unchanged: the queue already was in this state' },
  ...state,
  nodes: { ...nodes, description: 'those that have it in force' },
  missing_nodes: missingNodes,
  took_ms: { ...amount, description: 'time until the last node had it in force' },
});
export type RolloutChanged = FromSchema<typeof rolloutChangedSchema>;

const decision = {
  endpoint: { enum: ROLLOUT_ENDPOINTS },
  reason: { enum: ROLLOUT_REASONS },
  enforced: { ...flag, description: 'the legacy endpoints refuse this user' },
} as const satisfies Readonly<Record<string, JSONSchema>>;

/** The data of the server message `rollout_changed`. */
export const rolloutDecisionSchema = whole(decision);
/** The endpoint that a user is assigned to, and why. `enforced` is never true for the legacy endpoints. */
export type RolloutDecision = FromSchema<typeof rolloutDecisionSchema>;

/** Answer of `GET /rollout/me`. */
export const ownRolloutSchema = whole({
  ...decision,
  paths: whole({
    unified: text,
    legacy: {
      type: 'object',
      additionalProperties: text,
      description: 'by group, such as /ws/health; empty: the legacy endpoints are off',
    },
  }),
});

/** Answer of `GET /rollout/users/:user_id`. */
export const userRolloutSchema = whole({
  user_id: text,
  ...decision,
  mode,
  version,
  bucket: { type: 'integer', minimum: 0, maximum: 99, description: 'mode gradual takes buckets below the percentage' },
  in_user_list: flag,
  in_force_legacy: flag,
});
export type UserRollout = FromSchema<typeof userRolloutSchema>;
