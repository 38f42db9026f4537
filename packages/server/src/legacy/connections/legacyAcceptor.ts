import { CLOSE } from '@unified-ws/protocol';
import type { NodeParts } from '../../admin/nodeParts.js';
import { revocationError } from '../../auth/revocationError.js';
import type { Identity } from '../../auth/tokenVerifier.js';
import type { AdminParts } from '../../compose/composeAdmin.js';
import { verify } from '../../connections/upgrade/verify.js';
import { fit } from '../../delivery/joinCohort.js';
import type { Amendment } from '../../registry/store/amendment.js';
import { AppError } from '../../util/appError.js';
import { isClosed } from '../rollout/rolloutDecision.js';
import { closedToUser } from './legacyAuthority.js';
import { STAY_AWAY } from './legacyCloseCodes.js';
import type { LegacyConnection } from './legacyConnection.js';
import { mayUse } from './legacyGroups.js';
import type { LegacyParts } from './legacyParts.js';

interface LegacyAcceptorParts
  extends Pick<LegacyParts, 'authority' | 'table' | 'legacyRegistry' | 'replacements' | 'deprecations' | 'errors'>,
    Pick<NodeParts, 'verifier' | 'store' | 'lease' | 'fanout' | 'clock' | 'logger' | 'report'>,
    Pick<AdminParts, 'authFailures' | 'liveness' | 'isServing'> {
  /** The connection is established: messages that waited in the inbox may be handled. */
  readonly onEstablished: (connection: LegacyConnection) => void;
}

/** The first half of a legacy connection: its token is verified like any other (F17), its note is written, and it is established. */
export class LegacyAcceptor {
  private readonly parts: LegacyAcceptorParts;

  constructor(parts: LegacyAcceptorParts) {
    this.parts = parts;
  }

  /** @param token of the upgrade request. Null: there is none, and old clients have no other way to send one. */
  accept(connection: LegacyConnection, token: string | null): void {
    this.parts.liveness.awaitAuth(connection);
    if (token !== null) {
      this.authenticate(connection, token);
      return;
    }
    const error = new AppError('AUTH_ERROR', 'Authentication token required', { details: { reason: 'missing' } });
    this.parts.errors.refuse(connection, error, STAY_AWAY, error.message);
  }

  private authenticate(connection: LegacyConnection, token: string): void {
    verify(this.parts.verifier, token, connection, {
      verified: (identity) => this.admit(connection, identity),
      refused: (error) => this.refuseToken(connection, error),
      failed: (error) => this.fail(connection, error),
    });
  }

  private refuseToken(connection: LegacyConnection, error: unknown): void {
    if (!(error instanceof AppError)) {
      this.fail(connection, error);
      return;
    }
    const { errors, authFailures } = this.parts;
    authFailures.add(connection.ip, error);
    const code = error.code === 'UNAVAILABLE' ? CLOSE.UNAVAILABLE : STAY_AWAY;
    errors.refuse(connection, error, code, error.code === 'UNAVAILABLE' ? 'unavailable' : 'Authentication failed');
  }

  private admit(connection: LegacyConnection, identity: Identity): void {
    const { table, liveness } = this.parts;
    if (!connection.signal('authenticated')) return;
    this.parts.authority.identify(connection, identity);
    liveness.forget(connection);
    table.add(connection);
    this.note(connection).catch((error: unknown) => {
      this.parts.report(error, 'legacy.note');
      this.unavailable(connection);
    });
  }

  /**
   * Writes the note first and reads the orders of admins after it. An order is also written first and reads the notes after it, so at
   * least one of the two sees the other (C7).
   */
  private async note(connection: LegacyConnection): Promise<void> {
    const { legacyRegistry, store, errors, replacements, lease } = this.parts;
    const taken = await legacyRegistry.take(connection, lease.id);
    const { revokedCode, revokedUntil, amendment } = await store.entry(connection);
    if (!connection.isOpen()) {
      // The connection closed before its note was written, when there was nothing to remove yet.
      await legacyRegistry.forget(connection.userId, connection.id);
      return;
    }
    const revoked = revocationError(revokedCode, revokedUntil);
    if (revoked) errors.refuse(connection, revoked, STAY_AWAY, revoked.message);
    else if (this.establish(connection, amendment)) replacements.replace(connection.userId, taken);
  }

  private establish(connection: LegacyConnection, amendment: Amendment): boolean {
    const { isServing, authority, deprecations, errors, fanout, liveness, clock, logger, onEstablished } = this.parts;
    if (!isServing()) {
      this.unavailable(connection);
      return false;
    }
    const decision = deprecations.decide(connection.userId);
    if (isClosed(decision)) {
      deprecations.refuse(connection, 'refused');
      return false;
    }
    authority.admit(connection, [], amendment);
    if (!mayUse(connection.group, connection.clearance)) {
      errors.refuse(connection, closedToUser(connection), STAY_AWAY, 'permission denied');
      return false;
    }
    if (!connection.signal('held')) return false;
    fit(connection, fanout.catalogue, fanout.typeSets);
    // In the predecessor frames could precede `connection_established` (docs/MIGRATION.md). Message and cohort happen in one turn.
    const { group, types } = connection;
    connection.tell('connection_established', { connection_type: group, subscribed_events: types?.names ?? [] });
    // The answer to the upgrade may be held back until this message (Upgrades).
    connection.socket.uncork();
    if (!connection.signal('established')) return false;
    connection.established = true;
    fanout.enter(connection);
    liveness.watch(connection);
    connection.heartbeatDue = connection.ownBeat(clock.mono());
    const { id: conn, userId: user } = connection;
    logger.debug({ mono: clock.mono(), conn, user, group }, 'legacy connection established');
    deprecations.notify(connection, decision, 'connect');
    onEstablished(connection);
    return true;
  }

  private unavailable(connection: LegacyConnection): void {
    const error = new AppError('UNAVAILABLE', 'The connection could not be registered; try again.');
    this.parts.errors.refuse(connection, error, CLOSE.UNAVAILABLE, 'unavailable');
  }

  private fail(connection: LegacyConnection, error: unknown): void {
    this.parts.report(error, 'legacy.accept');
    const refusal = new AppError('UNEXPECTED_ERROR', 'The connection could not be accepted.');
    this.parts.errors.refuse(connection, refusal, CLOSE.UNAVAILABLE, 'unavailable');
  }
}
