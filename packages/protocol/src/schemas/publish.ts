import { DELIVERIES, PRIORITIES, SEVERITIES } from '../events/catalogue.js';
import type { FromSchema, JSONSchema } from './schema.js';

export const MAX_EVENT_TYPE_LENGTH = 64;
/** A user id has 1–128 bytes. The schemas limit characters; the server checks the bytes, because ids become part of Redis keys. */
export const MAX_USER_ID_LENGTH = 128;
export const MAX_ROLE_LENGTH = 64;
const MAX_PERMISSION_LENGTH = 64;
export const MAX_KEY_LENGTH = 128;
/** Maximum number of events in one publish. */
export const MAX_PUBLISH_EVENTS = 1000;
export const MAX_TARGET_USERS = 1000;
const MAX_EXCLUDED_USERS = 1000;
const MAX_ROLES = 50;
/** RFC 3339 with nanoseconds and an offset is 35 characters. */
export const MAX_TIME_LENGTH = 35;
/** 30 days in ms; limits what a publisher can make the queue keep. */
export const MAX_DELAY_MS = 30 * 24 * 3600 * 1000;
/** The form of an event id that a publisher gives, also as `Idempotency-Key` (L2). */
export const EVENT_ID_PATTERN = '^[A-Za-z0-9_-]{1,64}$';
export const MAX_EVENT_ID_LENGTH = 64;
/** The form of an RFC 3339 time with a zone. The parser checks that the day exists. */
export const TIME_PATTERN = '^\\d{4}-\\d{2}-\\d{2}[Tt]\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?([Zz]|[+-]\\d{2}:\\d{2})$';

const userIds = {
  type: 'array',
  items: { type: 'string', minLength: 1, maxLength: MAX_USER_ID_LENGTH },
} as const satisfies JSONSchema;

const time = { type: 'string', maxLength: MAX_TIME_LENGTH, pattern: TIME_PATTERN } as const satisfies JSONSchema;

/** One event to publish: `POST /broadcast`, `POST /events` and the message `publish_event`. */
export const publishSchema = {
  type: 'object',
  properties: {
    event_type: {
      type: 'string',
      minLength: 1,
      maxLength: MAX_EVENT_TYPE_LENGTH,
      description: 'a type of the catalogue',
    },
    data: { type: 'object', description: 'any JSON object' },
    id: {
      type: 'string',
      maxLength: MAX_EVENT_ID_LENGTH,
      pattern: EVENT_ID_PATTERN,
      description: 'idempotency key, per publisher',
    },
    priority: { enum: PRIORITIES, description: "default: the type's" },
    severity: { enum: SEVERITIES, description: "default: the type's" },
    metadata: { type: 'object', description: 'any JSON object; travels with the event' },
    target_user_ids: {
      ...userIds,
      minItems: 1,
      maxItems: MAX_TARGET_USERS,
      description: 'only for these users, through their mailboxes',
    },
    roles: {
      type: 'array',
      items: { type: 'string', minLength: 1, maxLength: MAX_ROLE_LENGTH },
      minItems: 1,
      maxItems: MAX_ROLES,
      description: 'only for users with one of these roles',
    },
    permission: {
      type: 'string',
      minLength: 1,
      maxLength: MAX_PERMISSION_LENGTH,
      description: 'only for users with this permission too',
    },
    exclude: { ...userIds, maxItems: MAX_EXCLUDED_USERS, description: 'not for these users' },
    ordering_key: {
      type: 'string',
      minLength: 1,
      maxLength: MAX_KEY_LENGTH,
      description:
        'events of one key keep their order; default: the target user if there is exactly one, else the event type',
    },
    delivery: { enum: DELIVERIES, description: "default: the type's" },
    conflation_key: {
      type: 'string',
      minLength: 1,
      maxLength: MAX_KEY_LENGTH,
      description: 'under load, only the latest ephemeral event of each key is sent',
    },
    delay_ms: { type: 'integer', minimum: 0, maximum: MAX_DELAY_MS, description: 'not with deliver_at' },
    deliver_at: { ...time, description: 'RFC 3339; not with delay_ms' },
    expires_at: { ...time, description: 'RFC 3339; an event that is not processed by then is dropped and counted' },
  },
  required: ['event_type', 'data'],
  not: { properties: { delay_ms: {}, deliver_at: {} }, required: ['delay_ms', 'deliver_at'] },
  additionalProperties: false,
} as const satisfies JSONSchema;

export type PublishRequest = FromSchema<typeof publishSchema>;
