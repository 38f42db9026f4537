import { MAX_TIMER_MS } from './bounds.js';
import { integer } from './entry.js';

/** When a quiet connection counts as lost. */
export const LIVENESS = [
  integer('PING_INTERVAL_MS', {
    section: 'Liveness',
    min: 50,
    max: MAX_TIMER_MS,
    default: 25_000,
    meaning: 'Time between two WebSocket pings to a quiet connection, in milliseconds.',
  }),
  integer('PING_TIMEOUT_MS', {
    section: 'Liveness',
    min: 50,
    max: MAX_TIMER_MS,
    default: 10_000,
    meaning: 'Time without any byte from the client after a ping until the connection is closed, in milliseconds.',
  }),
  integer('HEARTBEAT_INTERVAL_MS', {
    section: 'Liveness',
    min: 50,
    max: MAX_TIMER_MS,
    default: 25_000,
    meaning: 'Time between two `heartbeat` messages, in milliseconds.',
  }),
] as const;
