import type { EventCatalogue } from '../events/catalogue/eventCatalogue.js';
import type { Member } from './broadcast/cohorts.js';
import type { Fanout } from './fanout.js';
import { type IndividualDelivery, individualDelivery } from './selection/individualDelivery.js';
import { deliveredTypes, type Preferences } from './selection/preferences.js';
import type { TypeSet, TypeSets } from './selection/typeSets.js';

/** A connection, as what it is to receive is worked out. */
export interface Subscriber extends Member {
  /** What it is subscribed to. */
  readonly types: TypeSet | null;
  readonly preferences: Preferences;
  /** Whether it takes compressed messages. */
  readonly inflates: boolean;
  compress: boolean;
  delivered: TypeSet | null;
  individual: IndividualDelivery | null;
}

/** Works out what is delivered of the subscriptions within the preferences, and whether it has to be served individually. */
export function fit(connection: Subscriber, catalogue: EventCatalogue, typeSets: TypeSets): void {
  const { types, preferences } = connection;
  if (types === null) return;
  connection.delivered = deliveredTypes(types, preferences, catalogue, typeSets);
  connection.compress = connection.inflates && preferences.compress_data;
  connection.individual = individualDelivery(preferences, connection.individual);
}

/**
 * Its subscriptions, clearance or preferences changed: from now on it is delivered to by what holds now, and it has
 * what was taken before if it would lack any of it (L5). One that is not delivered to (suspended, or not established) goes on with it when it is current again.
 */
export function joinCohort(fanout: Fanout, connection: Subscriber): void {
  fit(connection, fanout.catalogue, fanout.typeSets);
  fanout.refit(connection);
}
