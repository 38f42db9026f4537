import type { ServerData, SubscriptionError } from '@unified-ws/protocol';
import type { NodeParts } from '../../admin/nodeParts.js';
import type { Identity } from '../../auth/tokenVerifier.js';
import type { Connection } from '../../connections/lifecycle/connection.js';
import { joinCohort } from '../../delivery/joinCohort.js';
import type { Clearance } from '../../delivery/selection/clearances.js';
import {
  type ChoiceChanges,
  chosenCategories,
  maySubscribe,
  type SavedSubscriptions,
  withChanges,
} from '../../delivery/selection/subscriptions.js';
import type { TypeSet } from '../../delivery/selection/typeSets.js';
import { AppError } from '../../util/appError.js';
import type { Handlers } from '../dispatcher.js';

type Refused = ServerData<'subscription_updated'>['errors'][number];
type RefusedCategory = ServerData<'category_subscription_updated'>['errors'][number];
type SubscriptionMessage =
  | 'subscribe_events'
  | 'unsubscribe_events'
  | 'subscribe_category'
  | 'unsubscribe_category'
  | 'get_subscription_info';

/**
 * Subscriptions. Idempotent, and every reply has the full list (F4, F5 of the predecessor). The last request wins: subscribing to a
 * category includes all its types, even a type that was dropped before; a type that is dropped afterwards stays dropped.
 */
export function subscriptionHandlers(
  parts: Pick<NodeParts, 'catalogue' | 'roles' | 'authority' | 'fanout' | 'clock' | 'report' | 'settings'> & {
    readonly saved: SavedSubscriptions;
  },
): Pick<Handlers, SubscriptionMessage> {
  return {
    subscribe_events: async (connection, { event_types }) => {
      const current = (connection.types as TypeSet).set;
      const refused: Refused[] = [];
      const changes = new Map<string, boolean | null>();
      for (const type of new Set(event_types)) {
        const error = refusal(type, connection, current.size + changes.size, current.has(type));
        if (error !== null) refused.push({ event_type: type, error });
        else if (!current.has(type)) changes.set(`t:${type}`, true);
      }
      await change(connection, changes);
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
        dropped(
          connection,
          types.filter((type) => current.has(type)),
        ),
      );
      return updated(connection, refused);
    },
    subscribe_category: async (connection, { categories }) => {
      const refused: RefusedCategory[] = [];
      const changes = new Map<string, boolean | null>();
      const types = new Set((connection.types as TypeSet).names);
      for (const category of expanded(categories, refused)) {
        const { permitted, denied } = permittedIn(category, clearanceOf(connection));
        for (const event_type of denied) refused.push({ category, event_type, error: 'permission_denied' });
        // A repeated request must not restore types that were dropped since: SDKs repeat requests after each reconnect.
        if (permitted.length === 0 || connection.choices.get(`c:${category}`) === true) continue;
        const more = permitted.filter((type) => !types.has(type));
        if (types.size + more.length > parts.settings.maxSubscriptions) {
          refused.push({ category, error: 'subscription_limit' });
          continue;
        }
        for (const type of more) types.add(type);
        changes.set(`c:${category}`, true);
        for (const type of parts.catalogue().typesOf(category)) {
          if (connection.choices.get(`t:${type}`) === false) changes.set(`t:${type}`, null);
        }
      }
      await change(connection, changes);
      return categoriesUpdated(connection, refused);
    },
    unsubscribe_category: async (connection, { categories }) => {
      const refused: RefusedCategory[] = [];
      const changes = new Map<string, boolean | null>();
      const defaults = defaultsOf(connection);
      for (const category of expanded(categories, refused)) {
        const types = parts.catalogue().typesOf(category);
        const saved = connection.choices.get(`c:${category}`);
        const dropsDefaults = types.some((type) => defaults.has(type));
        if (dropsDefaults && saved !== false) changes.set(`c:${category}`, false);
        else if (!dropsDefaults && saved !== undefined) changes.set(`c:${category}`, null);
        for (const type of types) if (connection.choices.has(`t:${type}`)) changes.set(`t:${type}`, null);
      }
      await change(connection, changes);
      return categoriesUpdated(connection, refused);
    },
    get_subscription_info: (connection) => {
      const catalogue = parts.catalogue();
      const names = (connection.types as TypeSet).names;
      const categories = new Set(names.map((type) => catalogue.get(type)?.category ?? ''));
      categories.delete('');
      return {
        subscriptions: [...names],
        categories: [...categories].sort(),
        subscribed_categories: chosenCategories(connection.choices, catalogue),
        available: catalogue.types().filter((type) => maySubscribe(type, clearanceOf(connection), catalogue)),
        limit: parts.settings.maxSubscriptions,
      };
    },
  };

  function refusal(type: string, connection: Connection, count: number, has: boolean): SubscriptionError | null {
    const catalogue = parts.catalogue();
    if (catalogue.get(type) === undefined) return 'unknown_event_type';
    if (!maySubscribe(type, clearanceOf(connection), catalogue)) return 'permission_denied';
    return !has && count >= parts.settings.maxSubscriptions ? 'subscription_limit' : null;
  }

  /** Replaces groups by their categories. Refuses names that are neither. */
  function expanded(names: readonly string[], refused: RefusedCategory[]): Set<string> {
    const categories = new Set<string>();
    for (const name of new Set(names)) {
      const found = parts.catalogue().categoriesOf(name);
      if (found.length === 0) refused.push({ category: name, error: 'unknown_category' });
      for (const category of found) categories.add(category);
    }
    return categories;
  }

  function permittedIn(category: string, clearance: Clearance): { permitted: string[]; denied: string[] } {
    const catalogue = parts.catalogue();
    const permitted: string[] = [];
    const denied: string[] = [];
    for (const type of catalogue.typesOf(category)) {
      (maySubscribe(type, clearance, catalogue) ? permitted : denied).push(type);
    }
    return { permitted, denied };
  }

  /** Dropping a default, or one type of a category, is stored. Dropping any other type removes its entry. */
  function dropped(connection: Connection, types: readonly string[]): ChoiceChanges {
    const defaults = defaultsOf(connection);
    const { choices } = connection;
    const catalogue = parts.catalogue();
    return new Map(
      types.map((type) => {
        const inCategory = choices.get(`c:${catalogue.get(type)?.category}`) === true;
        return [`t:${type}`, defaults.has(type) || inCategory ? false : null];
      }),
    );
  }

  function defaultsOf(connection: Connection): ReadonlySet<string> {
    const { permissions } = clearanceOf(connection);
    return new Set(parts.roles().defaultSubscriptions(connection.identity as Identity, permissions));
  }

  /** L7: the reply is sent only after Redis stored the change. L5: events of the old cohort are flushed before the change. */
  async function change(connection: Connection, changes: ChoiceChanges): Promise<void> {
    if (changes.size === 0) return;
    const { saved, report, fanout, authority } = parts;
    try {
      await saved.change(connection.userId, changes);
    } catch (error) {
      report(error, 'dispatch.subscriptions');
      throw new AppError('UNAVAILABLE', 'The change could not be stored and was not made; try again.', {
        cause: error,
      });
    }
    if (!connection.isOpen()) return;
    // Uses the current permissions: one may have been withdrawn while Redis stored the change.
    authority.choose(connection, withChanges(connection.choices, changes));
    joinCohort(fanout, connection);
  }

  function updated(connection: Connection, errors: Refused[]): ServerData<'subscription_updated'> {
    return {
      subscriptions: [...(connection.types as TypeSet).names],
      errors,
      updated_at: new Date(parts.clock.now()).toISOString(),
    };
  }

  function categoriesUpdated(
    connection: Connection,
    errors: RefusedCategory[],
  ): ServerData<'category_subscription_updated'> {
    return {
      categories: chosenCategories(connection.choices, parts.catalogue()),
      subscriptions: [...(connection.types as TypeSet).names],
      errors,
      updated_at: new Date(parts.clock.now()).toISOString(),
    };
  }
}

function clearanceOf(connection: Connection): Clearance {
  return connection.clearance as Clearance;
}
