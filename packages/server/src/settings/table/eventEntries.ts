import { MIB } from './bounds.js';
import { integer, optionalText } from './entry.js';

/** What is kept of events, and the queue. */
export const EVENTS = [
  integer('HISTORY_SIZE', {
    section: 'Events',
    min: 1,
    max: 100_000_000,
    default: 100_000,
    meaning: 'Broadcast events kept in the log for catching up.',
  }),
  integer('HISTORY_BYTES', {
    section: 'Events',
    min: MIB,
    max: 64 * 1024 * MIB,
    default: 64 * MIB,
    meaning: 'Size of the broadcast log, in bytes.',
  }),
  integer('HISTORY_TTL_MS', {
    section: 'Events',
    min: 1000,
    max: 30 * 86_400_000,
    default: 3_600_000,
    meaning: 'Time that a broadcast event stays in the log, in milliseconds.',
  }),
  integer('MAILBOX_SIZE', {
    section: 'Events',
    min: 1,
    max: 10_000,
    default: 100,
    meaning: 'Events kept in the mailbox of a user until they are acknowledged; of more the newest.',
  }),
  integer('MAILBOX_BYTES', {
    section: 'Events',
    min: MIB / 4,
    max: 64 * MIB,
    default: 4 * MIB,
    meaning: 'Size of the mailbox of a user, in bytes.',
  }),
  integer('MAILBOX_TTL_MS', {
    section: 'Events',
    min: 1000,
    max: 30 * 86_400_000,
    default: 86_400_000,
    meaning: 'Time that an event stays in a mailbox, in milliseconds; the oldest go when another comes.',
  }),
  integer('IDEMPOTENCY_WINDOW_MS', {
    section: 'Events',
    min: 300_000,
    max: 7 * 86_400_000,
    default: 900_000,
    meaning:
      'Time for which the id of an event, and so the idempotency key of a publish, is remembered at least, in milliseconds; at most twice as long. Costs memory for each event of that time: OPERATIONS.md has the arithmetic.',
  }),
  integer('WINDOW_SIZE', {
    section: 'Events',
    min: 1,
    max: 1_000_000,
    default: 10_000,
    meaning:
      'Newest broadcast events that a node keeps in memory for connections that are behind; older ones come from Redis.',
  }),
  integer('WINDOW_BYTES', {
    section: 'Events',
    min: 1024,
    max: 1024 * MIB,
    default: 16 * MIB,
    meaning: 'Bytes of those events, as JSON; the frames made of them come on top.',
  }),
  integer('EVENT_QUEUE_PARTITIONS', {
    section: 'Events',
    min: 1,
    max: 64,
    default: 8,
    meaning: 'Queues that the events are spread over by ordering key; fixed when the cluster first starts (Q7).',
  }),
  integer('EVENT_QUEUE_MAX', {
    section: 'Events',
    min: 1,
    max: 10_000_000,
    default: 100_000,
    meaning: 'Waiting jobs above which publishing is refused; a soft bound.',
  }),
  integer('WORKER_STALL_MS', {
    section: 'Events',
    min: 1000,
    max: 600_000,
    default: 15_000,
    meaning: 'A queue whose next job nobody starts for this long gets a new worker, and shows in /readyz.',
  }),
  optionalText('EVENT_CATALOGUE', {
    section: 'Events',
    schema: { pattern: '^[^\\u0000-\\u001f]{1,4096}$' },
    allowed: 'the path of a JSON file',
    meaning:
      'Event catalogue of your own; unset: the one that comes with the product. Read at start, on SIGHUP and on `POST /catalogue/reload`.',
  }),
] as const;
