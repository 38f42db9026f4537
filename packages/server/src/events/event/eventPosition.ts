import type { Position } from '@unified-ws/protocol';

/** Where an event was appended: in the log (null), or in the mailbox of a user. */
export interface EventPosition extends Position {
  readonly userId: string | null;
}

/** One event may be for 1,000 users: the first ones are recorded, with the positions there. */
export const MAX_RECORDED_USERS = 20;
