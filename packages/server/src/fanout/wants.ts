import type { EventTypeDefinition } from '@unified-ws/protocol';
import type { StoredEvent } from '../events/storedEvent.js';
import { admits, type Clearance } from './clearance.js';
import { type Preferences, passes } from './preferences.js';
import type { TypeSet } from './typeSet.js';

/** A connection, as far as it decides what it is to have. */
export interface Recipient {
  readonly userId: string;
  /** Subscriptions within the preferences (`deliveredTypes`); null before it is established. */
  readonly delivered: TypeSet | null;
  readonly clearance: Clearance | null;
  readonly preferences: Preferences;
}

/**
 * Whether the event is for this connection: subscribed, not muted, permitted, not excluded, important enough. The one predicate
 * of the single path, for both scopes. A cohort answers the first two by its key, and no cohort has a priority filter.
 */
export function wants(who: Recipient, event: StoredEvent, definition: EventTypeDefinition): boolean {
  if (who.delivered === null || !who.delivered.set.has(event.type)) return false;
  if (who.clearance === null || !admits(who.clearance, event, definition)) return false;
  if (!passes(who.preferences, event)) return false;
  return event.exclude === undefined || !event.exclude.includes(who.userId);
}
