import type { FromSchema, JSONSchema } from '../schemas/schema.js';

/** Priorities, lowest first. `critical` and `urgent` overtake the others in the queue. */
export const PRIORITIES = ['low', 'normal', 'high', 'critical', 'urgent'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Severities, lowest first. */
export const SEVERITIES = ['debug', 'info', 'warning', 'error', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Position of each priority in PRIORITIES, for comparison (compared as strings, `critical` is less than `low`). */
export const PRIORITY_ORDER: Readonly<Record<Priority, number>> = {
  low: 0,
  normal: 1,
  high: 2,
  critical: 3,
  urgent: 4,
};

/** Position of each severity in SEVERITIES. */
export const SEVERITY_ORDER: Readonly<Record<Severity, number>> = {
  debug: 0,
  info: 1,
  warning: 2,
  error: 3,
  critical: 4,
};

/** Names of control messages. They cannot be event types: a client could not tell a control message from an event. */
export const RESERVED_NAMES = ['ping', 'pong', 'heartbeat', 'connection_established', 'subscription_updated'] as const;

/** Values that the server writes into events: username and user id of the publisher's token, and the time of acceptance. */
const SERVER_VALUES = ['publisher', 'publisher_id', 'accepted_at'] as const;

/** Delivery classes. `durable` events pass the queue and the log; `ephemeral` events bypass both. */
export const DELIVERIES = ['durable', 'ephemeral'] as const;

/** Names of event types, categories, roles and groups. No name can collide with `__proto__`. */
const NAME_PATTERN = '^[a-z][a-z0-9_]{0,63}$';
const MAX_EVENT_TYPES = 2000;

const name = { type: 'string', maxLength: 64, pattern: NAME_PATTERN } as const satisfies JSONSchema;
const permission = {
  type: 'string',
  maxLength: 64,
  pattern: '^[a-z][a-z0-9_]*(:[a-z][a-z0-9_]*)+$',
} as const satisfies JSONSchema;

const eventTypeSchema = {
  type: 'object',
  properties: {
    category: { ...name, description: 'the name for subscribe_category' },
    priority: { enum: PRIORITIES },
    severity: { enum: SEVERITIES },
    delivery: { enum: DELIVERIES, description: 'default: durable' },
    permission: { ...permission, description: 'needed to subscribe and to receive' },
    publish_permission: {
      ...permission,
      description: 'needed to publish; default: events:publish, and admin:broadcast for admin_broadcast',
    },
    server_fields: {
      type: 'object',
      additionalProperties: { enum: SERVER_VALUES },
      propertyNames: { type: 'string', minLength: 1, maxLength: 64 },
      maxProperties: 20,
      description:
        'field of data -> the value that the server writes there, replacing that of the publisher: publisher (username), publisher_id, accepted_at',
    },
    sensitive_fields: {
      type: 'object',
      additionalProperties: permission,
      propertyNames: { type: 'string', minLength: 1, maxLength: 64 },
      maxProperties: 100,
      description: 'field of data -> permission needed to see it',
    },
    rate: { type: 'integer', minimum: 1, maximum: 1_000_000, description: 'events per minute and user' },
    conflation_key: {
      type: 'string',
      minLength: 1,
      maxLength: 64,
      description: 'field of data whose value is the conflation key, if the publisher gives none',
    },
    ttl_ms: {
      type: 'integer',
      minimum: 1,
      maximum: 30 * 24 * 3600 * 1000,
      description: 'default of expires_at, from acceptance',
    },
    schema: {
      type: 'object',
      description: 'JSON Schema (draft 7) of data; a publish that does not match is refused with the path to the fault',
    },
  },
  required: ['category', 'priority', 'severity', 'permission'],
  additionalProperties: false,
} as const satisfies JSONSchema;

const roleSchema = {
  type: 'object',
  properties: {
    permissions: { type: 'array', items: permission, maxItems: 200 },
    default_subscriptions: { type: 'array', items: name, maxItems: MAX_EVENT_TYPES },
  },
  required: ['permissions', 'default_subscriptions'],
  additionalProperties: false,
} as const satisfies JSONSchema;

/** The schema of a catalogue file. The loader also checks that the names in it exist (defaults, groups). */
export const catalogueSchema = {
  type: 'object',
  properties: {
    version: { type: 'integer', const: 1 },
    event_types: {
      type: 'object',
      additionalProperties: eventTypeSchema,
      propertyNames: { ...name, not: { enum: RESERVED_NAMES } },
      maxProperties: MAX_EVENT_TYPES,
    },
    roles: { type: 'object', additionalProperties: roleSchema, propertyNames: name, maxProperties: 100 },
    groups: {
      type: 'object',
      additionalProperties: { type: 'array', items: name, maxItems: 100 },
      propertyNames: name,
      maxProperties: 100,
      description: 'group of the predecessor -> categories',
    },
  },
  required: ['version', 'event_types', 'roles', 'groups'],
  additionalProperties: false,
} as const satisfies JSONSchema;

export type EventTypeDefinition = FromSchema<typeof eventTypeSchema>;
export type RoleDefinition = FromSchema<typeof roleSchema>;
export type Catalogue = FromSchema<typeof catalogueSchema>;
