import { MIB } from './bounds.js';
import { choice, integer, optionalText } from './entry.js';

/** The stored events and the queue. */
export const EVENTS = [
  integer('HISTORY_SIZE', {
    section: 'Events',
    min: 1,
    max: 100_000_000,
    default: 100_000,
    meaning: 'Broadcast events kept in the log, for clients that come back.',
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
    meaning: 'Unacknowledged events kept in the mailbox of a user; if there are more, the newest are kept.',
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
    meaning:
      'Time that an event stays in a mailbox, in milliseconds; old events are removed when a new one is appended.',
  }),
  integer('IDEMPOTENCY_WINDOW_MS', {
    section: 'Events',
    min: 300_000,
    max: 7 * 86_400_000,
    default: 900_000,
    meaning:
      'Minimum time for which the id of an event, and so the idempotency key of a publish, is remembered, in milliseconds; the maximum is twice as long. Each event of that time costs memory: see OPERATIONS.md.',
  }),
  integer('WINDOW_SIZE', {
    section: 'Events',
    min: 1,
    max: 1_000_000,
    default: 10_000,
    meaning:
      'Recent broadcast events that a node keeps in memory for connections that are behind; older events are read from Redis.',
  }),
  integer('WINDOW_BYTES', {
    section: 'Events',
    min: 1024,
    max: 1024 * MIB,
    default: 16 * MIB,
    meaning: 'Bytes of those events, as JSON; the frames made from them are extra.',
  }),
  integer('EVENT_QUEUE_PARTITIONS', {
    section: 'Events',
    min: 1,
    max: 64,
    default: 8,
    meaning:
      'Number of queues over which events are spread by ordering key; fixed at the first start of the cluster (Q7).',
  }),
  choice('EVENT_QUEUE', {
    section: 'Events',
    values: ['auto', 'always'],
    default: 'auto',
    meaning:
      '`auto` appends an event at once while its queue is idle, and queues what has to wait. `always` makes a job of every event. Nodes of both kinds work side by side.',
  }),
  integer('EVENT_QUEUE_MAX', {
    section: 'Events',
    min: 1,
    max: 10_000_000,
    default: 100_000,
    meaning: 'Waiting jobs above which publishing is refused; a soft limit.',
  }),
  integer('WORKER_STALL_MS', {
    section: 'Events',
    min: 1000,
    max: 600_000,
    default: 15_000,
    meaning:
      'If no worker starts the next job of a queue for this long, the queue gets a new worker and a notice in /readyz, in milliseconds.',
  }),
  optionalText('EVENT_CATALOGUE', {
    section: 'Events',
    schema: { pattern: '^[^\\u0000-\\u001f]{1,4096}$' },
    allowed: 'the path of a JSON file',
    meaning:
      'Your own event catalogue; unset: the default catalogue. Read at start, on SIGHUP and on `POST /catalogue/reload`.',
  }),
] as const;
