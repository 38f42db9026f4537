import type { Member } from './cohort.js';
import type { Fanout } from './flush.js';

/**
 * Delivers by what a connection is to receive now. Call between two flushes: flush, change, join (L5). One that is not delivered
 * to (suspended, or not established) stays out; it joins with what holds when it is current again.
 */
export function joinCohort(fanout: Fanout, connection: Member): void {
  fanout.refit(connection);
}
