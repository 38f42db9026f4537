import { MAX_TIMER_MS } from './bounds.js';
import { choice, integer } from './entry.js';

/** C6: the replaced owner's right to deliver ends a second before its lease. */
export const REPLACE_MARGIN_MS = 1000;

/** How the cluster ensures one connection per user. */
export const OWNERSHIP = [
  choice('CONNECTION_POLICY', {
    section: 'One connection per user',
    values: ['replace', 'reject'],
    default: 'replace',
    meaning:
      '`replace`: a second connection of a user replaces the first. `reject`: the second is refused, with 4010 if the first answers a ping, otherwise with 4203 (come back).',
  }),
  integer('LEASE_TTL_MS', {
    section: 'One connection per user',
    // The lease is renewed every second, and the right to deliver ends a second before it (C6). A shorter lease would flap.
    min: 3000,
    max: 60_000,
    default: 5000,
    meaning: 'Time after which a node that does not renew its lease may no longer deliver, in milliseconds.',
  }),
  integer('REPLACE_TIMEOUT_MS', {
    section: 'One connection per user',
    min: 3000 + REPLACE_MARGIN_MS,
    max: 120_000,
    default: {
      derive: (known) => Number(known.leaseTtlMs) + REPLACE_MARGIN_MS,
      text: `\`LEASE_TTL_MS\` + ${REPLACE_MARGIN_MS}`,
    },
    meaning: `Time that a new connection waits for the replaced one to be confirmed closed, in milliseconds; at least \`LEASE_TTL_MS\` + ${REPLACE_MARGIN_MS}.`,
  }),
  integer('COMMAND_TIMEOUT_MS', {
    section: 'One connection per user',
    min: 100,
    max: 60_000,
    default: 2000,
    meaning: 'Time within which an admin order to the node of a user is answered, in milliseconds.',
  }),
  integer('SWEEP_INTERVAL_MS', {
    section: 'One connection per user',
    min: 100,
    max: MAX_TIMER_MS,
    default: 30_000,
    meaning: 'Time in which a node compares each of its users with the registry once, in milliseconds.',
  }),
] as const;
