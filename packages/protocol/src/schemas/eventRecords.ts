import { MAX_EVENT_TYPE_LENGTH, MAX_TIME_LENGTH, MAX_USER_ID_LENGTH, TIME_PATTERN } from './publish.js';
import type { FromSchema, JSONSchema } from './schema.js';
import { listOf, text, textOrNull, time, whole } from './schemaParts.js';

/** States of an event. `unknown`: it never existed, or it ended longer ago than IDEMPOTENCY_WINDOW_MS. */
const EVENT_STATUSES = ['queued', 'appended', 'failed', 'expired', 'unknown'] as const;
const ENDED_STATUSES = ['appended', 'failed', 'expired'] as const;
/** Events of a page. */
const MAX_EVENT_LIST = 100;
export const DEFAULT_EVENT_LIST = 20;
const timeFilter = { type: 'string', maxLength: MAX_TIME_LENGTH, pattern: TIME_PATTERN } as const;

/** What is known of an event that ended, but not what it says. */
const recordProperties = {
  event_type: text,
  publisher: { ...text, description: 'user id' },
  way: { enum: ['direct', 'queued'], description: 'appended at once, or by a worker of the queue' },
  accepted_at: time,
  ended_at: { ...time, description: 'when it was appended, failed or expired' },
  target_count: { type: ['integer', 'null'], minimum: 1, description: 'users that it is for; null: for everybody' },
  positions: {
    ...listOf(
      whole({
        user_id: { ...textOrNull, description: 'the owner of the mailbox; null: the log' },
        position: { ...text, description: 'epoch.offset.tag, as clients get it' },
      }),
    ),
    description: 'where it was appended, for the first 20 of its users; absent if withheld',
  },
  withheld: { const: 'permission', description: 'the caller may not see the event, nor whom it is for' },
} as const satisfies Readonly<Record<string, JSONSchema>>;

/** Answer to `GET /events/:event_id`. */
export const eventStatusSchema = {
  type: 'object',
  properties: {
    event_id: text,
    status: { enum: EVENT_STATUSES },
    queue: { type: 'string', description: 'the queue that has or had it; absent when the log knows it' },
    job_id: { type: 'string', description: '<queue>.<id> of the job that holds it' },
    ...recordProperties,
  },
  required: ['event_id', 'status'],
} as const satisfies JSONSchema;
export type EventStatus = FromSchema<typeof eventStatusSchema>;

/** `list_events`, and the query of `GET /events`. */
export const listEventsSchema = {
  type: 'object',
  properties: {
    event_type: { type: 'string', minLength: 1, maxLength: MAX_EVENT_TYPE_LENGTH, description: 'only of this type' },
    publisher: { type: 'string', minLength: 1, maxLength: MAX_USER_ID_LENGTH, description: 'only of this user' },
    from: { ...timeFilter, description: 'RFC 3339: only events that ended then or later' },
    to: { ...timeFilter, description: 'RFC 3339: only events that ended then or earlier' },
    limit: { type: 'integer', minimum: 1, maximum: MAX_EVENT_LIST, description: `default: ${DEFAULT_EVENT_LIST}` },
    cursor: {
      type: 'string',
      maxLength: 64,
      pattern: '^[0-9]{1,15}-[0-9]{1,15}\\.[0-9]{1,4}\\.[0-9]{1,4}$',
      description: 'next_cursor of the page before',
    },
  },
  additionalProperties: false,
} as const satisfies JSONSchema;
export type ListEventsRequest = FromSchema<typeof listEventsSchema>;

const listedEventSchema = {
  type: 'object',
  properties: { event_id: text, status: { enum: ENDED_STATUSES }, queue: text, ...recordProperties },
  required: [
    'event_id',
    'status',
    'queue',
    'event_type',
    'publisher',
    'way',
    'accepted_at',
    'ended_at',
    'target_count',
  ],
} as const satisfies JSONSchema;
export type ListedEvent = FromSchema<typeof listedEventSchema>;

/** Events that ended, the newest first. */
export const eventListSchema = whole({
  events: listOf(listedEventSchema),
  next_cursor: { ...textOrNull, description: 'null: there are no older ones. A page may be short, or empty, before' },
});
export type EventList = FromSchema<typeof eventListSchema>;
