import type { StoredEvent } from '../../events/event/storedEvent.js';
import { needsIndividualDelivery, type Preferences, passes } from './preferences.js';
import { RateLimit } from './rateLimit.js';

/** What keeps a connection out of the cohorts for good: it is served individually (L5). */
export interface IndividualDelivery {
  /** False: each event is a write of its own. */
  readonly batch: boolean;
  /** Its message rate; null: none. */
  readonly limit: RateLimit | null;
  /** Besides type, clearance and `exclude`. */
  passes(event: StoredEvent): boolean;
}

/**
 * How a connection with these preferences is served; null: with its cohort.
 *
 * @param previous how it was served: a rate that stays goes on where it was, or each change would be leave for another burst.
 */
export function individualDelivery(
  preferences: Preferences,
  previous: IndividualDelivery | null,
): IndividualDelivery | null {
  if (!needsIndividualDelivery(preferences)) return null;
  const { batch_messages: batch, max_message_rate: rate } = preferences;
  const kept = previous?.limit?.rate === rate ? previous.limit : new RateLimit(rate);
  return { batch, limit: rate === 0 ? null : kept, passes: (event) => passes(preferences, event) };
}
