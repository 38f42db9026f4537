import { EVENT_ID_PATTERN, MAX_EVENT_ID_LENGTH } from '../../schemas/publish.js';
import {
  broadcastBodySchema,
  eventAcceptedSchema,
  eventStatusSchema,
  eventsAcceptedSchema,
  eventsBodySchema,
  REST_BASE,
  SERVER_EVENT_ID_PATTERN,
} from '../rest.js';
import type { RestOperation } from '../restOperation.js';

const eventId = { type: 'string', maxLength: MAX_EVENT_ID_LENGTH, pattern: EVENT_ID_PATTERN } as const;
const event = { event_type: 'health_update', data: { status: 'ok' } };

/** Publishing. */
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
        ...eventId,
        description:
          'becomes the id of the event; for an array k, the ids are k_0, k_1, …; each of at most 64 characters',
      },
    },
    body: { schema: eventsBodySchema, required: true },
    answers: { 202: { meaning: 'accepted', schema: eventsAcceptedSchema } },
    problems: [429],
    example: { body: [event, { ...event, target_user_ids: ['user-1'] }] },
  },
  broadcastEvent: {
    method: 'post',
    path: `${REST_BASE}/broadcast`,
    tag: 'events',
    summary: 'Publishes one event',
    description: '202: the event is in Redis and survives the death of every node. It is not delivered yet.',
    permissions: ['events:publish', 'admin:broadcast'],
    headers: {
      'Idempotency-Key': { ...eventId, description: 'the id of the event' },
    },
    body: { schema: broadcastBodySchema, required: true },
    answers: { 202: { meaning: 'accepted', schema: eventAcceptedSchema } },
    problems: [429],
    example: { body: event },
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
