import { DEFAULT_PREFERENCES } from '@unified-ws/protocol';
import type { NodeParts } from '../../admin/nodeParts.js';
import type { Connection } from '../../connections/lifecycle/connection.js';
import { changed, unknownNames } from '../../delivery/selection/preferences.js';
import type { SavedPreferences } from '../../delivery/selection/savedPreferences.js';
import { AppError } from '../../util/appError.js';
import type { Handlers } from '../dispatcher.js';

/** Preferences of the user. The reply is sent once Redis has stored them, and they apply from the reply on (L5, as L7). */
export function preferenceHandlers(
  parts: Pick<NodeParts, 'authority' | 'catalogue' | 'fanout' | 'clock' | 'report'> & {
    readonly saved: SavedPreferences;
  },
): Pick<Handlers, 'set_message_preferences' | 'get_message_preferences'> {
  return {
    set_message_preferences: async (connection, { preferences: changes }) => {
      const { catalogue, saved, clock, report } = parts;
      const faults = unknownNames(changes, catalogue());
      if (faults.length > 0) {
        const errors = faults.slice(0, 10).map(({ path, message }) => ({ path: `/preferences${path}`, message }));
        throw new AppError('VALIDATION_ERROR', 'The preferences name unknown event types or categories.', {
          details: { errors },
        });
      }
      try {
        await saved.change(connection.userId, changes);
      } catch (error) {
        report(error, 'dispatch.preferences');
        throw new AppError('UNAVAILABLE', 'The preferences could not be stored and were not changed; try again.', {
          cause: error,
        });
      }
      apply(connection, changed(connection.preferences, changes));
      return { preferences: connection.preferences, updated_at: new Date(clock.now()).toISOString() };
    },
    get_message_preferences: ({ preferences }) => ({ preferences, default_preferences: DEFAULT_PREFERENCES }),
  };

  /** The reply follows the change. */
  function apply(connection: Connection, preferences: Connection['preferences']): void {
    if (!connection.isOpen() || !connection.clearance) return;
    const { fanout, authority } = parts;
    authority.prefer(connection, preferences);
    fanout.refit(connection);
  }
}
