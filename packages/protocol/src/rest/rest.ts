import { ERROR_CODES } from '../codes/errorCodes.js';
import { disconnectOptions } from '../messages/clientMessages.js';
import { MAX_PUBLISH_EVENTS, MAX_TIME_LENGTH, publishSchema, TIME_PATTERN } from '../schemas/publish.js';
import { queueReasonSchema } from '../schemas/queue.js';
import type { FromSchema, JSONSchema } from '../schemas/schema.js';
import { flag, text, texts, time, whole } from '../schemas/schemaParts.js';

/** The path that opens a WebSocket (GET with Upgrade). */
export const WS_PATH = '/api/unified/ws';
/** Prefix of the REST routes. */
export const REST_BASE = '/api/unified/ws';
/** The description of the REST routes. */
export const OPENAPI_PATH = '/api/unified/openapi.json';
/** The description of the messages. */
export const ASYNCAPI_PATH = '/api/unified/asyncapi.json';
/** The subprotocol that the server selects. */
export const SUBPROTOCOL = 'unified.v1';
/** A browser cannot set headers, so it sends its token as a further subprotocol, `bearer.<jwt>`, which is never selected. */
export const BEARER_PREFIX = 'bearer.';
/** `protocol` in connection_established. */
export const PROTOCOL_VERSION = '1';

/** Body of `POST /disconnect/:user_id`; optional. */
export const disconnectBodySchema = {
  type: 'object',
  properties: disconnectOptions,
  additionalProperties: false,
} as const satisfies JSONSchema;

const grants = {
  type: 'array',
  items: { type: 'string', minLength: 1, maxLength: 64 },
} as const satisfies JSONSchema;

/** Body of `POST /users/:user_id/permissions-changed`; optional. Without it a newer token is required. */
export const permissionsChangedBodySchema = {
  type: 'object',
  properties: {
    roles: { ...grants, maxItems: 32, description: "replaces the token's roles; left out: the token's roles" },
    permissions: {
      ...grants,
      maxItems: 64,
      description: "replaces the token's own permissions; those of the roles stay. Left out: the token's permissions",
    },
    ...queueReasonSchema.properties,
  },
  additionalProperties: false,
} as const satisfies JSONSchema;

/** Results of permissions-changed. `applied`: it is in force on the open connection. */
export const PERMISSION_CHANGE_RESULTS = ['applied', 'not_connected', 'node_unreachable'] as const;

/** Body of `POST /users/:user_id/revoke`; optional. Without it all tokens issued until now are revoked. */
export const revokeBodySchema = {
  type: 'object',
  properties: {
    before: {
      type: 'string',
      maxLength: MAX_TIME_LENGTH,
      pattern: TIME_PATTERN,
      description:
        'RFC 3339, not in the future: tokens issued before this time are revoked. Token times are whole seconds',
    },
    session: {
      type: 'string',
      minLength: 1,
      maxLength: 128,
      description:
        'tokens with this `sid` are revoked, whenever they were issued. With `before` too, both kinds of tokens are revoked',
    },
    ...queueReasonSchema.properties,
  },
  additionalProperties: false,
} as const satisfies JSONSchema;

/** Results of a revocation. `unaffected`: the user is connected with a token that is not revoked, and stays connected. */
export const REVOKE_RESULTS = ['closed', 'unaffected', 'not_connected', 'node_unreachable'] as const;
export type RevokeResult = (typeof REVOKE_RESULTS)[number];

/** Body of `POST /broadcast`. */
export const broadcastBodySchema = publishSchema;

/** Body of `POST /events`: one event, or an array of them. */
export const eventsBodySchema = {
  anyOf: [publishSchema, { type: 'array', items: publishSchema, minItems: 1, maxItems: MAX_PUBLISH_EVENTS }],
} as const satisfies JSONSchema;

/** Answer of `POST /broadcast`, and of `POST /events` with one event. */
export const eventAcceptedSchema = whole({
  event_id: { ...text, description: 'as in the event' },
  accepted_at: time,
  duplicate: { ...flag, description: 'true: the id is known, so nothing was added' },
  payload_differs: {
    ...flag,
    description: 'a duplicate whose payload differs from the first one under this id: this payload was not published',
  },
  queue: { ...text, description: 'the queue that took it; several are joined by commas; ephemeral: none' },
});

/** Answer of `POST /events`. */
export const eventsAcceptedSchema = {
  anyOf: [
    eventAcceptedSchema,
    whole({
      event_ids: { ...texts, description: 'in the order of the array' },
      accepted_at: time,
      duplicates: { ...texts, description: 'of these, duplicates, which were not added again' },
      payload_differs: {
        ...texts,
        description:
          'of the duplicates, those with a different payload than the first event under the id; they were not published',
      },
    }),
  ],
} as const satisfies JSONSchema;

/** Ids of events as the server makes them: a UUID, or the publisher's eight characters and a given id. */
export const SERVER_EVENT_ID_PATTERN = '^[A-Za-z0-9_-]{1,73}$';

/** Answers of `DELETE /queue/jobs/:id` and `POST /queue/jobs/:id/retry`. */
export const jobDeletedSchema = whole({ id: text, result: { const: 'deleted' } });
export const jobRetriedSchema = whole({ id: text, result: { const: 'retried' } });

/** Results of a catalogue reload on one node. The old catalogue stays in force unless `applied`. */
const NODE_RELOAD_RESULTS = ['applied', 'ready', 'refused', 'overtaken'] as const;

export const nodeReloadSchema = whole({
  node_id: text,
  result: {
    enum: NODE_RELOAD_RESULTS,
    description:
      'applied: in force; ready: valid, but not put in force because the catalogue of another node is not; refused: invalid; overtaken: another reload came in between',
  },
  error: { type: ['string', 'null'], description: 'where in the file the error is' },
  digest: { type: ['string', 'null'], description: 'hash of the catalogue: each node reads its own file' },
  event_types: { type: 'integer', minimum: 0 },
  connections: { type: 'integer', minimum: 0, description: 'connections checked again so far' },
  changed_connections: { type: 'integer', minimum: 0, description: 'connections whose subscriptions changed' },
});
export type NodeReload = FromSchema<typeof nodeReloadSchema>;

/** Answer of `POST /catalogue/reload`. */
export const catalogueReloadedSchema = whole({
  result: { const: 'applied' },
  nodes: { type: 'array', items: nodeReloadSchema },
  missing_nodes: { ...texts, description: 'nodes that did not answer: their state is not known' },
});

/** Codes that only REST problems have. All others are those of the `error` message. */
const REST_ERROR_CODES = ['NOT_FOUND', 'METHOD_NOT_ALLOWED'] as const;
export type RestErrorCode = (typeof REST_ERROR_CODES)[number];

/** A failed REST request: RFC 9457, `application/problem+json`, with the stable `code`. */
export const problemSchema = {
  type: 'object',
  properties: {
    type: { type: 'string', description: 'about:blank: see the status and `code`' },
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
