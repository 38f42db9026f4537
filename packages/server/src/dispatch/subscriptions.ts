import type { ServerData, SubscriptionError } from '@unified-ws/protocol';
import type { RoleTable } from '../auth/roles.js';
import type { Identity } from '../auth/token.js';
import type { Clock } from '../clock.js';
import type { Connection } from '../edge/connection.js';
import { AppError } from '../errors.js';
import type { EventCatalogue } from '../events/catalogue.js';
import type { Clearance } from '../fanout/clearance.js';
import type { Fanout } from '../fanout/flush.js';
import { joinCohort } from '../fanout/membership.js';
import { maySubscribe, type SavedSubscriptions } from '../fanout/subscriptions.js';
import type { TypeSet, TypeSets } from '../fanout/typeSet.js';
import type { Report } from '../observability/logger.js';
import type { Handlers } from './dispatcher.js';

export interface SubscriptionHandlerParts {
  readonly catalogue: () => EventCatalogue;
  readonly roles: () => RoleTable;
  readonly typeSets: TypeSets;
  readonly saved: SavedSubscriptions;
  readonly fanout: Fanout;
  readonly clock: Clock;
  readonly report: Report;
  readonly maxSubscriptions: number;
}

type Refused = { readonly event_type: string; readonly error: SubscriptionError };

/** Subscriptions: idempotent, and every reply holds the full list (F4, F5 of the predecessor). */
export function subscriptionHandlers(
  parts: SubscriptionHandlerParts,
): Pick<Handlers, 'subscribe_events' | 'unsubscribe_events' | 'get_subscription_info'> {
  return {
    subscribe_events: async (connection, { event_types }) => {
      const current = (connection.types as TypeSet).set;
      const refused: Refused[] = [];
      const added: string[] = [];
      for (const type of new Set(event_types)) {
        const error = refusal(type, connection, current.size + added.length, current.has(type));
        if (error !== null) refused.push({ event_type: type, error });
        else if (!current.has(type)) added.push(type);
      }
      await change(connection, added, []);
      return updated(connection, refused);
    },
    unsubscribe_events: async (connection, { event_types }) => {
      const current = (connection.types as TypeSet).set;
      const types = [...new Set(event_types)];
      const refused = types
        .filter((type) => parts.catalogue().get(type) === undefined && !current.has(type))
        .map((type): Refused => ({ event_type: type, error: 'unknown_event_type' }));
      await change(
        connection,
        [],
        types.filter((type) => current.has(type)),
      );
      return updated(connection, refused);
    },
    get_subscription_info: (connection) => {
      const catalogue = parts.catalogue();
      const names = (connection.types as TypeSet).names;
      const categories = new Set(names.map((type) => catalogue.get(type)?.category ?? ''));
      categories.delete('');
      return {
        subscriptions: [...names],
        categories: [...categories].sort(),
        available: catalogue.types().filter((type) => maySubscribe(type, clearanceOf(connection), catalogue)),
        limit: parts.maxSubscriptions,
      };
    },
  };

  function refusal(type: string, connection: Connection, count: number, has: boolean): SubscriptionError | null {
    const catalogue = parts.catalogue();
    if (catalogue.get(type) === undefined) return 'unknown_event_type';
    if (!maySubscribe(type, clearanceOf(connection), catalogue)) return 'permission_denied';
    return !has && count >= parts.maxSubscriptions ? 'subscription_limit' : null;
  }

  /** L7: told only after Redis stored it. L5: the old cohort's events are flushed before the change, the reply follows it. */
  async function change(connection: Connection, added: readonly string[], dropped: readonly string[]): Promise<void> {
    if (added.length === 0 && dropped.length === 0) return;
    const clearance = clearanceOf(connection);
    const defaults = parts.roles().defaultSubscriptions(connection.identity as Identity, clearance.permissions);
    try {
      await parts.saved.change(connection.userId, added, dropped, new Set(defaults));
    } catch (error) {
      parts.report(error, 'dispatch.subscriptions');
      throw new AppError('UNAVAILABLE', 'The change could not be stored and was not made; try again.', {
        cause: error,
      });
    }
    if (!connection.isOpen()) return;
    const types = new Set((connection.types as TypeSet).names);
    for (const type of added) types.add(type);
    for (const type of dropped) types.delete(type);
    const { fanout, typeSets } = parts;
    fanout.flush();
    connection.types = typeSets.of(types);
    joinCohort(fanout, connection);
  }

  function updated(connection: Connection, errors: Refused[]): ServerData<'subscription_updated'> {
    return {
      subscriptions: [...(connection.types as TypeSet).names],
      errors,
      updated_at: new Date(parts.clock.now()).toISOString(),
    };
  }
}

function clearanceOf(connection: Connection): Clearance {
  return connection.clearance as Clearance;
}
