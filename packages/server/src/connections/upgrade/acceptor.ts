import {
  CLOSE,
  type CloseCode,
  PROTOCOL_VERSION,
  parseClient,
  parseResume,
  type ResumeResult,
  type ServerData,
} from '@unified-ws/protocol';
import { revocationError } from '../../auth/revocationError.js';
import type { Identity, TokenVerifier } from '../../auth/tokenVerifier.js';
import type { Core } from '../../core.js';
import type { Fanout } from '../../delivery/fanout.js';
import type { Resumed, Resumes } from '../../delivery/resumes.js';
import type { PreferenceFormat } from '../../delivery/selection/preferences.js';
import type { UserScope } from '../../delivery/user/userScope.js';
import type { Claims } from '../../registry/claim/claims.js';
import type { Amendment } from '../../registry/store/amendment.js';
import type { ClaimedMailbox, Owner } from '../../registry/store/registryTypes.js';
import type { Settings } from '../../settings/settings.js';
import { AppError } from '../../util/appError.js';
import type { Authority } from '../lifecycle/authority.js';
import type { Connection } from '../lifecycle/connection.js';
import type { ConnectionTable } from '../lifecycle/connectionTable.js';
import type { Liveness } from '../lifecycle/liveness.js';
import type { PeerCheck } from '../lifecycle/peerCheck.js';
import { askerOf, type SecurityRecords } from '../lifecycle/securityRecords.js';
import { expiryOf } from '../lifecycle/tokenEnd.js';
import type { AuthFailures } from '../limits/authFailures.js';
import type { ConnectRate } from '../limits/connectRate.js';
import { verify } from './verify.js';

interface AcceptorParts
  extends Pick<Core, 'clock' | 'logger' | 'report' | 'nodeId'>,
    Pick<Settings, 'heartbeatIntervalMs'> {
  readonly verifier: TokenVerifier;
  readonly authFailures: AuthFailures;
  readonly connectRate: Pick<ConnectRate, 'admit'>;
  readonly authority: Authority;
  readonly preferenceFormat: PreferenceFormat;
  readonly claims: Claims;
  readonly peerCheck: Pick<PeerCheck, 'isAlive'>;
  readonly table: ConnectionTable;
  readonly fanout: Fanout;
  readonly userScope: UserScope;
  readonly resumes: Resumes;
  readonly liveness: Liveness;
  readonly securityRecords: SecurityRecords;
  /** The right to deliver (C6). */
  readonly mayDeliver: () => boolean;
  readonly sendError: (connection: Connection, error: AppError) => void;
  /** The connection is established: messages that waited in the inbox may be handled. */
  readonly onEstablished: (connection: Connection, tookMs: number, hasReplaced: boolean) => void;
  readonly limits: ServerData<'connection_established'>['limits'];
}

/** Delay after which a second connection should come back while the first one is being checked, milliseconds. */
const SECOND_RETRY_MS = 2000;

/** A claim that is held. */
interface Held {
  readonly saved: readonly string[];
  readonly preferences: readonly string[];
  readonly amendment: Amendment;
  readonly hasReplaced: boolean;
  readonly mailbox: ClaimedMailbox | null;
  /** When the token was verified, monotonic ms. */
  readonly startedAt: number;
}

/** The first phase of a connection: authentication, claim, connection_established. */
export class Acceptor {
  private readonly parts: AcceptorParts;
  constructor(parts: AcceptorParts) {
    this.parts = parts;
  }

  /** @param token of the upgrade request. Null: the first message must carry the token. */
  accept(connection: Connection, token: string | null): void {
    this.parts.liveness.awaitAuth(connection);
    if (token !== null) this.authenticate(connection, token);
  }

  /** Handles the first message of a connection without a token, which must be `authenticate`. */
  firstMessage(connection: Connection, data: { token: string; resume?: string; client?: string }): void {
    if (data.client !== undefined) connection.client = toClient(data.client);
    if (data.resume !== undefined) connection.resume = parseResume(data.resume) ?? connection.resume;
    // Its token has come in time, and what else it sends waits.
    this.parts.liveness.awaitAuth(connection);
    connection.handling = true;
    const retryMs = this.parts.connectRate.admit('authenticate', () => {
      connection.handling = false;
      if (connection.isOpen()) this.authenticate(connection, data.token);
    });
    if (retryMs !== 0) this.refuseForNow(connection, 'Too many connects at this node now.', retryMs);
  }

  /** Tells when to come back. */
  private refuseForNow(connection: Connection, reason: string, retryMs: number): void {
    const error = new AppError('CONNECTION_LIMIT', reason, { details: { retry_after_ms: retryMs } });
    this.parts.sendError(connection, error);
    connection.end(CLOSE.CONNECTION_LIMIT, `reconnect_after_ms=${retryMs}`);
  }

  /** Sends the reason, then closes. A browser cannot read the status of a failed upgrade, so an invalid token is answered after it. */
  refuse(connection: Connection, error: AppError, code: CloseCode): void {
    this.parts.sendError(connection, error);
    connection.end(code);
  }

  /**
   * Delivery was interrupted, or the lease is lost (C10). Connections that are not established yet are closed, and their clients come back. If
   * a claim went on waiting after Redis lost data, it could evict the connection that the registry now holds as the newest.
   */
  endUnestablished(code: CloseCode): void {
    for (const connection of [...this.parts.table.all()]) {
      if (!connection.established) this.refuseUnregistered(connection, code);
    }
  }

  private authenticate(connection: Connection, token: string): void {
    verify(this.parts.verifier, token, connection, {
      verified: (identity) => this.claim(connection, identity),
      refused: (error) => this.refuseToken(connection, error),
      failed: (error) => this.fail(connection, error),
    });
  }

  refuseToken(connection: Connection, error: unknown): void {
    if (!(error instanceof AppError)) {
      this.fail(connection, error);
      return;
    }
    const { code } = error;
    const close =
      code === 'TOKEN_EXPIRED' ? CLOSE.TOKEN_EXPIRED : code === 'UNAVAILABLE' ? CLOSE.UNAVAILABLE : CLOSE.AUTH_FAILED;
    this.parts.authFailures.add(connection.ip, error);
    this.parts.securityRecords.refused(askerOf(connection), error, 'connect');
    this.refuse(connection, error, close);
  }

  private claim(connection: Connection, identity: Identity): void {
    const { table, claims, clock } = this.parts;
    const startedAt = clock.mono();
    if (!connection.signal('authenticated')) return;
    this.parts.authority.identify(connection, identity);
    this.parts.liveness.forget(connection);
    // C1: added before the claim is sent, so that an evict that overtakes the claim's answer finds the connection.
    table.add(connection);
    claims
      .acquire(connection)
      .then((outcome) => {
        if (outcome.status === 'refused') this.refuseClaim(connection, outcome.code, outcome.until);
        else if (outcome.status === 'occupied') return this.refuseSecond(connection, outcome.owner);
        else if (outcome.status === 'held' && connection.signal('held')) {
          return this.resume(connection, { ...outcome, startedAt });
        }
        return undefined;
      })
      .catch((error: unknown) => {
        this.parts.report(error, 'edge.claim');
        this.refuseUnregistered(connection, CLOSE.UNAVAILABLE);
      });
  }

  /** The connection is not confirmed as the user's current one, through no fault of the client (C8, C10). */
  private refuseUnregistered(connection: Connection, code: CloseCode): void {
    this.refuse(connection, new AppError('UNAVAILABLE', 'The connection could not be registered; try again.'), code);
  }

  private refuseClaim(connection: Connection, code: CloseCode, until?: number): void {
    if (code === CLOSE.BANNED || code === CLOSE.TOKEN_REVOKED || code === CLOSE.TOKEN_EXPIRED) {
      const error = revocationError(code, until);
      if (error) {
        this.parts.securityRecords.refused(askerOf(connection), error, 'connect');
        this.parts.sendError(connection, error);
      }
    } else if (code === CLOSE.LEASE_LOST) {
      this.refuseUnregistered(connection, code);
      return;
    }
    connection.end(code);
  }

  /** Refuses for good only if the other peer is known to be alive. Otherwise a vanished peer would lock its own user out. */
  private async refuseSecond(connection: Connection, owner: Pick<Owner, 'conn' | 'lease'>): Promise<void> {
    if (await this.parts.peerCheck.isAlive(owner)) {
      const error = new AppError('CONNECTION_LIMIT', 'This user is connected elsewhere.');
      this.refuse(connection, error, CLOSE.ALREADY_CONNECTED);
      return;
    }
    const reason = 'This user is connected elsewhere; the server is checking whether that connection is alive.';
    this.refuseForNow(connection, reason, SECOND_RETRY_MS);
  }

  /** Most positions are checked at once; then connection_established is sent in this turn. */
  private resume(connection: Connection, held: Held): Promise<void> | undefined {
    const resumed = this.parts.resumes.check(connection.resume.broadcast);
    if (!(resumed instanceof Promise)) {
      this.establish(connection, held, resumed);
      return undefined;
    }
    return resumed.then((found) => this.establish(connection, held, found));
  }

  private establish(connection: Connection, held: Held, found: Resumed): void {
    const { saved, preferences, amendment, hasReplaced, mailbox, startedAt } = held;
    const { fanout, userScope, clock, logger, authority, preferenceFormat, mayDeliver, liveness, onEstablished } =
      this.parts;
    if (!connection.isOpen()) return;
    if (!mayDeliver()) {
      this.refuseUnregistered(connection, CLOSE.UNAVAILABLE);
      return;
    }
    authority.admit(connection, saved, amendment);
    authority.prefer(connection, preferenceFormat.read(preferences));
    // L3, L5: position and cohort happen in one turn, so everything after the position is live.
    // The log was replaced while the position was checked.
    const lost = found.position !== null && found.epoch !== fanout.position.epoch;
    const resumed: Resumed = lost ? { ...found, result: 'none', position: null, text: null } : found;
    const user = userScope.claimed(connection, mailbox);
    const establishedMessage = this.establishedMessage(connection, resumed, user);
    connection.send('connection_established', establishedMessage, connection.authenticateId);
    connection.authenticateId = undefined;
    // The answer to the upgrade may be held back until this message (Upgrades).
    connection.socket.uncork();
    if (!connection.signal('established')) return;
    connection.established = true;
    fanout.enter(connection, resumed.position ?? undefined);
    userScope.start(connection);
    liveness.watch(connection);
    const mono = clock.mono();
    logger.debug(
      { mono, conn: connection.id, user: connection.userId, fence: connection.fence, client: connection.client?.id },
      'established',
    );
    onEstablished(connection, mono - startedAt, hasReplaced);
  }

  private establishedMessage(
    connection: Connection,
    resumed: Resumed,
    user: ResumeResult,
  ): ServerData<'connection_established'> {
    const { fanout, nodeId, limits, heartbeatIntervalMs } = this.parts;
    const identity = connection.identity as Identity;
    return {
      connection_id: connection.id,
      user_id: identity.userId,
      username: identity.username,
      is_admin: identity.roles.includes('admin'),
      roles: [...identity.roles],
      permissions: [...(connection.clearance?.permissions ?? [])],
      subscriptions: [...(connection.types?.names ?? [])],
      connected_at: new Date(connection.connectedAt).toISOString(),
      node_id: nodeId,
      fence: Number(connection.fence),
      resume: {
        broadcast: resumed.result,
        user,
      },
      positions: { broadcast: resumed.text ?? fanout.positionText, user: connection.mail?.text ?? null },
      heartbeat_interval_ms: heartbeatIntervalMs,
      limits,
      expires_at: expiryOf(connection),
      protocol: PROTOCOL_VERSION,
    };
  }

  private fail(connection: Connection, error: unknown): void {
    this.parts.report(error, 'edge.accept');
    this.refuse(
      connection,
      new AppError('UNEXPECTED_ERROR', 'The connection could not be accepted.'),
      CLOSE.UNAVAILABLE,
    );
  }
}

/** Parses `?client=` for the registry. A malformed value makes a client of its own (C5). */
export function toClient(text: string): Connection['client'] {
  const parsed = parseClient(text);
  return parsed === null ? null : { id: parsed.client, attempt: parsed.attempt };
}
