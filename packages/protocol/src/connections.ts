import type { JSONSchema } from './schema.js';

/** States of a connection as they are named on the wire. */
export const CONNECTION_STATUSES = [
  'connecting',
  'connected',
  'recovering',
  'error',
  'disconnecting',
  'disconnected',
] as const;
export type ConnectionStatus = (typeof CONNECTION_STATUSES)[number];

/** Why a connection is not healthy, with the meaning. */
export const connectionFaults = {
  establishing: 'it is not established yet',
  suspended: 'its node was cut off from the cluster, and nothing is delivered until it is known to be current',
  congested: 'its peer takes less than it is sent; nothing is written until that has drained',
  backlog: 'more than half of MAX_BUFFERED_BYTES waits in the socket',
  unanswered_ping: 'nothing was heard from the peer for more than half of PING_TIMEOUT_MS after a ping',
  errors: 'the last message of the client was answered with an error',
} as const;
export type ConnectionFault = keyof typeof connectionFaults;
export const CONNECTION_FAULTS = Object.keys(connectionFaults) as readonly ConnectionFault[];

/** Schema of `health_reasons`. */
export const healthReasonsSchema = {
  type: 'array',
  items: { enum: CONNECTION_FAULTS },
  description: 'why it is not healthy; none: it is',
} as const satisfies JSONSchema;
