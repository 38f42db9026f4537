import { integer, optionalText, text } from './entry.js';

const REDIS_URL_FORMS =
  'redis://[user:password@]host[:port][/db], rediss://…, redis+sentinel://[user:password@]host[:port],…/master[/db], or redis+cluster://[user:password@]host[:port],…; each may end with ?family=4 or ?family=6';

/** The address of Redis and its time limit. */
export const REDIS = [
  text('REDIS_URL', {
    section: 'Redis',
    schema: { format: 'redis-url' },
    allowed: REDIS_URL_FORMS,
    default: 'redis://127.0.0.1:6379',
    meaning: 'The Redis (7.0 or newer, `noeviction`) that all nodes of the cluster share.',
  }),
  optionalText('REDIS_QUEUE_URL', {
    section: 'Redis',
    schema: { format: 'redis-url' },
    allowed: REDIS_URL_FORMS,
    meaning: 'A separate Redis for the event queue; without it the queue is in `REDIS_URL`.',
  }),
  text('REDIS_PREFIX', {
    section: 'Redis',
    // A brace would count as a hash tag, and the keys of a script would be in different slots.
    schema: { pattern: '^[A-Za-z0-9:._-]{1,32}$' },
    allowed: '1 to 32 of the characters A-Z a-z 0-9 : . _ -',
    default: 'uws',
    meaning: 'First part of every Redis key; clusters with different prefixes share a Redis without seeing each other.',
  }),
  integer('REDIS_COMMAND_TIMEOUT_MS', {
    section: 'Redis',
    min: 50,
    max: 60_000,
    default: 1500,
    meaning: 'Time-out of a Redis command, in milliseconds.',
  }),
] as const;
