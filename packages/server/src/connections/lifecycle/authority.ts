import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ServerData, SubscriptionChangeReason } from '@unified-ws/protocol';
import type { RoleTable } from '../../auth/roleTable.js';
import type { Identity } from '../../auth/tokenVerifier.js';
import type { Core } from '../../core.js';
import type { Fanout } from '../../delivery/fanout.js';
import { messageFrame } from '../../delivery/frames/frame.js';
import { fit, joinCohort } from '../../delivery/joinCohort.js';
import type { Clearance, Clearances } from '../../delivery/selection/clearances.js';
import type { Preferences } from '../../delivery/selection/preferences.js';
import {
  type Choices,
  choicesOf,
  effectiveTypes,
  maySubscribe,
  NO_CHOICES,
} from '../../delivery/selection/subscriptions.js';
import type { TypeSet, TypeSets } from '../../delivery/selection/typeSets.js';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import { type Amendment, amended, NO_AMENDMENT } from '../../registry/store/amendment.js';
import type { RegistryStore } from '../../registry/store/registryStore.js';
import type { Settings } from '../../settings/settings.js';
import type { Connection } from './connection.js';
import type { Liveness } from './liveness.js';
import { afterRefresh, type TokenTimes, tokenEnd } from './tokenEnd.js';

export interface AuthorityParts
  extends Pick<Core, 'clock' | 'tokenClock' | 'report'>,
    TokenTimes,
    Pick<Settings, 'maxSubscriptions'> {
  readonly catalogue: () => EventCatalogue;
  readonly roles: () => RoleTable;
  readonly clearances: Clearances;
  readonly typeSets: TypeSets;
  readonly fanout: Fanout;
  readonly liveness: Liveness;
  readonly store: Pick<RegistryStore, 'updateFacts'>;
}

/** Connections per turn of the event loop: about 5 ms. */
const CHUNK = 500;

export interface Progress {
  connections: number;
  /** Number of those whose subscriptions changed. */
  changed: number;
}

type Removed = ServerData<'subscription_updated'>['errors'];

/**
 * What a connection may see and is subscribed to. The only place of this decision: at connection_established, and again after each change
 * of the token, of an order of permissions-changed, or of the catalogue (G8). Denies by default.
 */
export class Authority {
  protected readonly parts: AuthorityParts;

  constructor(parts: AuthorityParts) {
    this.parts = parts;
  }

  /** Its token was found good: the connection speaks for this user from now on. */
  identify(connection: Connection, token: Identity): void {
    connection.token = token;
    connection.identity = token;
    connection.clearance = this.clearanceOf(token);
  }

  /** For a connection that holds its claim, before connection_established. @param saved subscriptions, as claim.lua returns them. */
  admit(connection: Connection, saved: readonly string[], amendment: Amendment): void {
    connection.choices = choicesOf(saved);
    const isAmended = this.take(connection, amendment);
    const { token } = connection;
    if (token !== null) this.parts.liveness.endToken(connection, tokenEnd(token, connection.amendment, this.parts));
    this.evaluate(connection);
    // The claim stored the facts of the token, without the amendment.
    if (isAmended) this.storeFacts(connection);
  }

  /** Applies an order of permissions-changed. A repeat changes nothing. */
  amend(connection: Connection, amendment: Amendment): void {
    if (!this.take(connection, amendment) || !connection.established) return;
    this.reevaluate(connection, 'permissions_changed');
    this.storeFacts(connection);
  }

  /**
   * Puts a new token of the same user in force; its end replaces that of the old token.
   *
   * @param amendment the registry's amendment of the new token.
   * @returns the event types that are no longer allowed.
   */
  renew(connection: Connection, token: Identity, amendment: Amendment): readonly string[] {
    connection.token = token;
    connection.identity = token;
    connection.amendment = NO_AMENDMENT;
    this.take(connection, amendment);
    const end = tokenEnd(token, connection.amendment, this.parts);
    this.parts.liveness.endToken(connection, afterRefresh(end, this.parts.tokenClock.earliest()));
    const removed = this.reevaluate(connection, 'token_refreshed');
    this.storeFacts(connection);
    return removed;
  }

  /**
   * Checks a connection again by its identity, its choices and the catalogue, and notifies it if its subscriptions changed.
   *
   * @param frames notices already built, for use when many connections change in the same way.
   * @returns the event types that were removed.
   */
  reevaluate(
    connection: Connection,
    reason: SubscriptionChangeReason,
    frames: Map<string, Buffer> = new Map(),
  ): readonly string[] {
    if (!connection.isOpen()) return [];
    const before = connection.types;
    this.evaluate(connection);
    joinCohort(this.parts.fanout, connection);
    const after = connection.types;
    if (before === null || after === null || (before === after && !this.tellsUnchanged(reason))) return [];
    const alike = `${before.id}/${after.id}/${connection.clearance?.id}`;
    const frame = frames.get(alike) ?? this.changeFrame(connection, before, after, reason);
    frames.set(alike, frame);
    connection.sendFrame(frame);
    return before.names.filter((type) => !after.set.has(type));
  }

  /**
   * Checks all connections after a change of the catalogue, some at a time, so that events go on meanwhile.
   *
   * @param progress is updated.
   */
  async reevaluateAll(connections: Iterable<Connection>, progress: Progress): Promise<void> {
    const frames = new Map<string, Buffer>();
    for (const connection of [...connections]) {
      if (!connection.established || !connection.isOpen()) continue;
      const before = connection.types;
      this.reevaluate(connection, 'catalogue_reloaded', frames);
      progress.connections += 1;
      if (connection.types !== before) progress.changed += 1;
      if (progress.connections % CHUNK === 0) await nextTurn();
    }
  }

  /** Puts other choices in force. The caller flushes before, and moves the connection to its cohort afterwards. */
  choose(connection: Connection, choices: Choices): void {
    connection.choices = choices;
    this.evaluate(connection);
  }

  /** Puts preferences in force. The caller flushes before, and moves the connection to its cohort afterwards. */
  prefer(connection: Connection, preferences: Preferences): void {
    const { fanout, typeSets } = this.parts;
    connection.preferences = preferences;
    fit(connection, fanout.catalogue, typeSets);
  }

  /** Computes the subscriptions after `choices` changed. The caller flushes before and notifies afterwards. */
  evaluate(connection: Connection): void {
    const identity = connection.identity as Identity;
    const clearance = this.clearanceOf(identity);
    connection.clearance = clearance;
    connection.types = this.parts.typeSets.of(this.typesFor(connection, identity, clearance));
  }

  /** The event types of the connection: the chosen ones that its clearance allows. */
  protected typesFor({ choices }: Connection, identity: Identity, clearance: Clearance): Iterable<string> {
    const { catalogue, roles, maxSubscriptions } = this.parts;
    const defaults = roles().defaultSubscriptions(identity, clearance.permissions);
    if (choices === NO_CHOICES) return defaults;
    return effectiveTypes(choices, { defaults, clearance, catalogue: catalogue(), limit: maxSubscriptions });
  }

  private clearanceOf(identity: Identity): Clearance {
    const { roles, clearances } = this.parts;
    return clearances.of(identity.roles, roles().permissionsOf(identity));
  }

  /** @returns whether the roles or permissions of the connection changed. */
  private take(connection: Connection, next: Amendment): boolean {
    if (next === NO_AMENDMENT || connection.token === null) return false;
    const known = connection.amendment;
    // An answer without an amendment restores nothing: a Redis that lost data must not give back what was withdrawn.
    const amendment: Amendment = {
      roles: next.roles ?? known.roles,
      permissions: next.permissions ?? known.permissions,
      renewal: next.renewal ?? known.renewal,
    };
    const { renewal } = amendment;
    connection.amendment = amendment;
    if (renewal !== null && (renewal.by !== known.renewal?.by || renewal.since !== known.renewal.since)) {
      const end = tokenEnd(connection.token, amendment, this.parts);
      if (end.closeAt !== connection.tokenCloseAt) this.parts.liveness.endToken(connection, end);
    }
    if (same(amendment.roles, known.roles) && same(amendment.permissions, known.permissions)) return false;
    connection.identity = amended(connection.token, amendment);
    return true;
  }

  /** After a reload, each client is notified: it may be able to subscribe to more types than before, and clients follow patterns. */
  protected tellsUnchanged(reason: SubscriptionChangeReason): boolean {
    return reason === 'catalogue_reloaded';
  }

  /** The notice to a connection whose subscriptions changed. */
  protected changeFrame(
    connection: Connection,
    before: TypeSet,
    after: TypeSet,
    reason: SubscriptionChangeReason,
  ): Buffer {
    const now = new Date(this.parts.clock.now()).toISOString();
    const errors = this.removed(connection, before, after);
    const data: ServerData<'subscription_updated'> = { subscriptions: after.names, errors, updated_at: now, reason };
    return messageFrame('subscription_updated', data, now);
  }

  /** The removed types and the reasons. A default that a role lost is no error: the client did not request it, and may subscribe to it. */
  private removed({ clearance }: Connection, before: TypeSet, after: TypeSet): Removed {
    const catalogue = this.parts.catalogue();
    return before.names.flatMap((event_type): Removed => {
      if (after.set.has(event_type)) return [];
      if (catalogue.get(event_type) === undefined) return [{ event_type, error: 'unknown_event_type' }];
      const permitted = clearance !== null && maySubscribe(event_type, clearance, catalogue);
      return permitted ? [] : [{ event_type, error: 'permission_denied' }];
    });
  }

  /** What admins can read about the connection has changed. */
  protected storeFacts(connection: Connection): void {
    const { store, report } = this.parts;
    store.updateFacts(connection).catch((error: unknown) => report(error, 'edge.facts'));
  }
}

function same(one: readonly string[] | null, other: readonly string[] | null): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}
