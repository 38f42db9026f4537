import type { Clearance } from './clearance.js';
import type { Member } from './cohort.js';
import type { Fanout } from './flush.js';
import type { TypeSet } from './typeSet.js';

/** A connection whose subscriptions and clearance are known. */
export interface Subscriber extends Member {
  readonly types: TypeSet | null;
  readonly clearance: Clearance | null;
}

/**
 * Moves a connection to the cohort of what it is to receive now. Call between two flushes: flush, change, join (L5). One that is
 * in no cohort (suspended, or not established) stays out; it joins with what holds when it is current again.
 */
export function joinCohort(fanout: Fanout, connection: Subscriber): void {
  const { types, clearance } = connection;
  if (types === null || clearance === null || !fanout.cohorts.has(connection)) return;
  fanout.cohorts.join(connection, types, clearance);
}
