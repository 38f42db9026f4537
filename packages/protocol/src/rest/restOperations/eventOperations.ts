import { eventListSchema, eventStatusSchema, listEventsSchema } from '../../schemas/eventRecords.js';
import { eventsAcceptedSchema, eventsBodySchema, REST_BASE, SERVER_EVENT_ID_PATTERN } from '../rest.js';
import type { RestOperation } from '../restOperation.js';
import { exampleEvent, idempotencyKey } from '../restOperationParts.js';

/** Publishing of one event or of many, and the status of an event. */
export const eventOperations = {
  publishEvents: {
    method: 'post',
    path: `${REST_BASE}/events`,
    tag: 'events',
    summary: 'Publishes one event, or up to 1,000 of them',
    description:
      '202: the events are in Redis and survive the death of every node. An array is accepted completely or not at all. The exception is UNAVAILABLE: repeat the request with the same ids, which adds only what is missing.',
    permissions: ['events:publish', 'admin:broadcast'],
    headers: {
      'Idempotency-Key': {
        ...idempotencyKey,
        description:
          'becomes the id of the event; for an array k, the ids are k_0, k_1, …; each of at most 64 characters',
      },
    },
    body: { schema: eventsBodySchema, required: true },
    answers: { 202: { meaning: 'accepted', schema: eventsAcceptedSchema } },
    problems: [429],
    example: { body: [exampleEvent, { ...exampleEvent, target_user_ids: ['user-1'] }] },
  },
  listEvents: {
    method: 'get',
    path: `${REST_BASE}/events`,
    tag: 'events',
    summary: 'Lists events that were appended, failed or expired, the newest first',
    description:
      'For IDEMPOTENCY_WINDOW_MS; without payloads. Events that wait are among the jobs of the queue. Positions are withheld by the permissions of the caller.',
    permissions: ['admin:queue'],
    query: listEventsSchema,
    answers: { 200: { meaning: 'a page of events', schema: eventListSchema } },
    example: { query: { event_type: 'health_update', limit: 50 } },
  },
  getEventStatus: {
    method: 'get',
    path: `${REST_BASE}/events/{event_id}`,
    tag: 'events',
    summary: 'Shows what happened to an event, for IDEMPOTENCY_WINDOW_MS',
    description: 'Publisher, times, way and positions are shown to its publisher, and to callers with admin:queue.',
    permissions: ['events:publish', 'admin:queue'],
    params: {
      event_id: { type: 'string', maxLength: 73, pattern: SERVER_EVENT_ID_PATTERN, description: 'as it was answered' },
    },
    answers: { 200: { meaning: 'what is known; an unknown id has the state `unknown`', schema: eventStatusSchema } },
    example: { params: { event_id: '0190a0b0-0000-7000-8000-000000000000' } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
