import {
  eventStatusSchema,
  eventsAcceptedSchema,
  eventsBodySchema,
  REST_BASE,
  SERVER_EVENT_ID_PATTERN,
} from '../rest.js';
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
  getEventStatus: {
    method: 'get',
    path: `${REST_BASE}/events/{event_id}`,
    tag: 'events',
    summary: 'Shows what happened to an event, for IDEMPOTENCY_WINDOW_MS',
    permissions: ['events:publish', 'admin:queue'],
    params: {
      event_id: { type: 'string', maxLength: 73, pattern: SERVER_EVENT_ID_PATTERN, description: 'as it was answered' },
    },
    answers: { 200: { meaning: 'what is known; an unknown id has the state `unknown`', schema: eventStatusSchema } },
    example: { params: { event_id: '0190a0b0-0000-7000-8000-000000000000' } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
