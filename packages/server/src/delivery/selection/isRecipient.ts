import type { EventTypeDefinition } from '@unified-ws/protocol';
import type { StoredEvent } from '../../events/event/storedEvent.js';
import { type Clearance, maySee } from './clearances.js';
import type { IndividualDelivery } from './individualDelivery.js';
import type { TypeSet } from './typeSets.js';

/** A connection, as far as it decides what it is to have. */
export interface Recipient {
  readonly userId: string;
  /** The event types that it is to receive, and as whom. Null before it is established. */
  readonly delivered: TypeSet | null;
  readonly clearance: Clearance | null;
  readonly individual: IndividualDelivery | null;
}

/**
 * Whether the event is for this connection: subscribed, not muted, permitted, not excluded, important enough. The one predicate
 * of the single path, for both scopes. A cohort answers the first three by its key, and has no priority filter.
 */
export function isRecipient(who: Recipient, event: StoredEvent, definition: EventTypeDefinition): boolean {
  if (who.delivered === null || !who.delivered.set.has(event.type)) return false;
  const { userId, clearance } = who;
  if (clearance === null || !maySee({ userId, clearance }, event, definition)) return false;
  return who.individual === null || who.individual.passes(event);
}
