import { MAX_EVENT_TYPE_LENGTH } from '../schemas/publish.js';
import type { FromSchema, JSONSchema } from '../schemas/schema.js';

/** Values of `priority_filter`, lowest first. An `urgent` event passes every filter. */
const PRIORITY_FILTERS = ['low', 'normal', 'high', 'critical'] as const;
/** Events per second. A higher limit would have no effect. */
const MAX_MESSAGE_RATE = 10_000;
const MAX_MUTED_EVENT_TYPES = 200;
const MAX_PREFERRED_CATEGORIES = 100;
const MAX_CATEGORY_LENGTH = 64;

const fields = {
  batch_messages: {
    type: 'boolean',
    description: 'true: several events may be written together; false: one write per event',
  },
  compress_data: {
    type: 'boolean',
    description: 'compress events, where the connection negotiated permessage-deflate',
  },
  max_message_rate: {
    type: 'integer',
    minimum: 0,
    maximum: MAX_MESSAGE_RATE,
    description:
      'events per second, 0: no limit. Above it, ephemeral events are conflated or dropped, durable events are delayed',
  },
  priority_filter: { enum: PRIORITY_FILTERS, description: 'events below this priority are not delivered' },
  muted_event_types: {
    type: 'array',
    items: { type: 'string', minLength: 1, maxLength: MAX_EVENT_TYPE_LENGTH },
    maxItems: MAX_MUTED_EVENT_TYPES,
    description: 'subscribed to, but not delivered',
  },
  categories: {
    type: 'array',
    items: { type: 'string', minLength: 1, maxLength: MAX_CATEGORY_LENGTH },
    maxItems: MAX_PREFERRED_CATEGORIES,
    description: 'categories or groups: only their events are delivered; empty: all events',
  },
} as const satisfies Readonly<Record<string, JSONSchema>>;

/** All preferences of a user. */
export const preferencesSchema = {
  type: 'object',
  properties: fields,
  required: [
    'batch_messages',
    'compress_data',
    'max_message_rate',
    'priority_filter',
    'muted_event_types',
    'categories',
  ],
} as const satisfies JSONSchema;

/** A change of preferences: given fields replace the old values, absent fields stay. */
export const preferenceChangesSchema = {
  type: 'object',
  properties: fields,
  additionalProperties: false,
} as const satisfies JSONSchema;

export type MessagePreferences = FromSchema<typeof preferencesSchema>;
export type PreferenceChanges = FromSchema<typeof preferenceChangesSchema>;

/** The preferences of a user who has set none. */
export const DEFAULT_PREFERENCES: MessagePreferences = Object.freeze({
  batch_messages: true,
  compress_data: false,
  max_message_rate: 0,
  priority_filter: 'low',
  muted_event_types: Object.freeze([]),
  categories: Object.freeze([]),
});
