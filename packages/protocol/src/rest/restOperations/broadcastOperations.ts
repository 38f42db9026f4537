import { broadcastBodySchema, eventAcceptedSchema, REST_BASE } from '../rest.js';
import type { RestOperation } from '../restOperation.js';
import { exampleEvent, idempotencyKey } from '../restOperationParts.js';

/** Publishing of one event. */
export const broadcastOperations = {
  broadcastEvent: {
    method: 'post',
    path: `${REST_BASE}/broadcast`,
    tag: 'events',
    summary: 'Publishes one event',
    description: '202: the event is in Redis and survives the death of every node. It is not delivered yet.',
    permissions: ['events:publish', 'admin:broadcast'],
    headers: {
      'Idempotency-Key': { ...idempotencyKey, description: 'the id of the event' },
    },
    body: { schema: broadcastBodySchema, required: true },
    answers: { 202: { meaning: 'accepted', schema: eventAcceptedSchema } },
    problems: [429],
    example: { body: exampleEvent },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
