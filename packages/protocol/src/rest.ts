import { disconnectOptions } from './clientMessages.js';
import { ERROR_CODES } from './errorCodes.js';
import { publishSchema } from './publish.js';
import type { FromSchema, JSONSchema } from './schema.js';

/** Where a WebSocket is opened (GET with Upgrade). */
export const WS_PATH = '/api/unified/ws';
/** What the REST routes begin with. */
export const REST_BASE = '/api/unified/ws';
/** The subprotocol that the server selects. */
export const SUBPROTOCOL = 'unified.v1';
/** A browser can't set headers: it sends its token as a further subprotocol, `bearer.<jwt>`, which is never selected. */
export const BEARER_PREFIX = 'bearer.';
/** `protocol` in hello. */
export const PROTOCOL_VERSION = '1';

/** Body of `POST /disconnect/:user_id`; may be left out. */
export const disconnectBodySchema = {
  type: 'object',
  properties: disconnectOptions,
  additionalProperties: false,
} as const satisfies JSONSchema;
export type DisconnectBody = FromSchema<typeof disconnectBodySchema>;

const grants = {
  type: 'array',
  items: { type: 'string', minLength: 1, maxLength: 64 },
} as const satisfies JSONSchema;

/** Body of `POST /users/:user_id/permissions-changed`; may be left out: then a newer token is asked for. */
export const permissionsChangedBodySchema = {
  type: 'object',
  properties: {
    roles: { ...grants, maxItems: 32, description: "in the place of the token's; left out: the token's hold" },
    permissions: {
      ...grants,
      maxItems: 64,
      description: "in the place of the token's own, besides those of the roles; left out: the token's hold",
    },
  },
  additionalProperties: false,
} as const satisfies JSONSchema;
export type PermissionsChangedBody = FromSchema<typeof permissionsChangedBodySchema>;

/** What became of an order of permissions-changed. `applied`: it holds for the live connection. */
export const PERMISSION_CHANGE_RESULTS = ['applied', 'not_connected', 'node_unreachable'] as const;
export type PermissionChangeResult = (typeof PERMISSION_CHANGE_RESULTS)[number];

/** Body of `POST /users/:user_id/revoke`; may be left out: then all tokens issued until now are void. */
export const revokeBodySchema = {
  type: 'object',
  properties: {
    before: {
      type: 'string',
      maxLength: 64,
      description:
        'RFC 3339, not in the future: tokens issued before it are void; tokens tell their time in whole seconds',
    },
    session: {
      type: 'string',
      minLength: 1,
      maxLength: 128,
      description:
        'tokens with this `sid` are void, whenever they were issued; with `before`: the tokens of either kind are',
    },
  },
  additionalProperties: false,
} as const satisfies JSONSchema;
export type RevokeBody = FromSchema<typeof revokeBodySchema>;

/** What a revocation met. `unaffected`: the user is connected with a token that is not meant, and stays so. */
export const REVOKE_RESULTS = ['closed', 'unaffected', 'not_connected', 'node_unreachable'] as const;
export type RevokeResult = (typeof REVOKE_RESULTS)[number];

/** Body of `POST /broadcast`. */
export const broadcastBodySchema = publishSchema;

/** What can become of an event. `unknown`: it never was, or its end is more than 15 minutes ago. */
export const EVENT_STATUSES = ['queued', 'appended', 'failed', 'expired', 'unknown'] as const;

/** Answer to `GET /events/:event_id`. */
export const eventStatusSchema = {
  type: 'object',
  properties: {
    event_id: { type: 'string' },
    status: { enum: EVENT_STATUSES },
    queue: { type: 'string', description: 'the queue that has or had it; absent when the log knows it' },
    job_id: { type: 'string', description: '<queue>.<id> of the job that holds it' },
  },
  required: ['event_id', 'status'],
} as const satisfies JSONSchema;
export type EventStatus = FromSchema<typeof eventStatusSchema>;

/** Codes that only a REST problem carries; all others are those of the `error` message. */
export const REST_ERROR_CODES = ['NOT_FOUND', 'METHOD_NOT_ALLOWED'] as const;
export type RestErrorCode = (typeof REST_ERROR_CODES)[number];

/** A failed REST request: RFC 9457, `application/problem+json`, with the stable `code`. */
export const problemSchema = {
  type: 'object',
  properties: {
    type: { type: 'string', description: 'about:blank: the status and `code` say it all' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string' },
    instance: { type: 'string' },
    code: { enum: [...ERROR_CODES, ...REST_ERROR_CODES] },
    details: { type: 'object' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          path: { type: 'string', description: 'JSON pointer into the body' },
          message: { type: 'string' },
        },
        required: ['path', 'message'],
      },
      description: 'with VALIDATION_ERROR',
    },
  },
  required: ['type', 'title', 'status', 'code'],
} as const satisfies JSONSchema;
export type Problem = FromSchema<typeof problemSchema>;
