import { EVENT_ID_PATTERN, MAX_EVENT_ID_LENGTH, MAX_USER_ID_LENGTH } from '../schemas/publish.js';

/** Path parameters of an operation on one user. */
export const userIdParams = {
  user_id: {
    type: 'string',
    minLength: 1,
    maxLength: MAX_USER_ID_LENGTH,
    description: 'of 1 to 128 bytes: `sub` of the token',
  },
} as const;

/** The header `Idempotency-Key`. */
export const idempotencyKey = { type: 'string', maxLength: MAX_EVENT_ID_LENGTH, pattern: EVENT_ID_PATTERN } as const;

/** The event that examples publish. */
export const exampleEvent = { event_type: 'health_update', data: { status: 'ok' } };
