import { CLOSE } from '@unified-ws/protocol';
import type { Identity } from '../../auth/tokenVerifier.js';
import type { SecurityEvent, SecurityFacts, SecurityLog, Via } from '../../observability/log/securityLog.js';
import type { AppError } from '../../util/appError.js';
import type { Connection } from './connection.js';
import { BY_PEER } from './peerClose.js';

/** Error codes that mean the token is not valid. */
const TOKEN_CODES: ReadonlySet<string> = new Set(['AUTH_ERROR', 'TOKEN_EXPIRED', 'TOKEN_REVOKED']);
/** Close codes after which the record of the refused token already says everything. */
const TOKEN_CLOSES: ReadonlySet<number> = new Set([CLOSE.AUTH_FAILED, CLOSE.TOKEN_EXPIRED, CLOSE.TOKEN_REVOKED]);
/** Number of tokens remembered for asking beyond their cap, so that a service's requests are not recorded one by one. */
const MAX_GREEDY = 1000;

/** The origin of a record: a connection or a request. */
export interface Asker {
  readonly ip: string;
  readonly via: Via;
  readonly conn?: string;
  readonly identity: Identity | null;
}

/** Security records about connections, tokens and orders. */
export class SecurityRecords {
  private readonly log: Pick<SecurityLog, 'record'>;
  private readonly greedy = new Set<string>();

  constructor(log: Pick<SecurityLog, 'record'>) {
    this.log = log;
  }

  connected(connection: Connection, hasReplaced: boolean): void {
    const { client, fence, shape } = connection;
    const facts = { client: client?.id, fence: fence === '' ? undefined : fence };
    this.write('connect', askerOf(connection), shape?.name ?? (hasReplaced ? 'displaced' : 'new'), facts);
    this.granted(askerOf(connection));
  }

  closed(connection: Connection, code: number, detail: string): void {
    const asker = askerOf(connection);
    if (asker.identity === null && TOKEN_CLOSES.has(code)) return;
    const event = asker.identity === null ? 'close_unauthenticated' : 'close';
    // A peer may close with any code, which would make thousands of different reasons.
    const reason = detail === BY_PEER ? 'by_peer' : String(code);
    this.write(event, asker, reason, { code, detail, lasted_ms: connection.now() - connection.connectedAt });
  }

  /** A newer connection of the user replaced this one. @param by id of the newer one; its `connect` record has the address. */
  replaced(connection: Connection, by: string, code: number): void {
    this.write('replaced', askerOf(connection), String(code), { by });
  }

  /** A security-relevant refusal: of a token or of an order. `what`: the message or the route. */
  refused(asker: Asker, error: AppError, what: string): void {
    const { code, details = {} } = error;
    if (TOKEN_CODES.has(code)) this.tokenRefused(asker, error, what);
    else if (code === 'PERMISSION_DENIED') {
      this.write('order_refused', asker, 'PERMISSION_DENIED', { what, permission: details.permission });
    }
  }

  upgradeRefused(ip: string, reason: string): void {
    this.log.record('upgrade_refused', { reason, via: 'websocket', ip });
  }

  /** The token of an admitted caller: records the grants beyond the cap of its issuer. */
  granted(asker: Asker): void {
    const { identity } = asker;
    if (identity === null || identity.refused.length === 0 || this.greedy.has(identity.tokenId)) return;
    if (this.greedy.size >= MAX_GREEDY) this.greedy.clear();
    this.greedy.add(identity.tokenId);
    this.write('grant_refused', asker, 'beyond_cap', { grants: identity.refused, issuer: identity.issuer });
  }

  private tokenRefused(asker: Asker, error: AppError, what: string): void {
    const bearer = error.bearer?.();
    // If the asker is authenticated, the record names the asker, and not the user in the refused token.
    const whose =
      asker.identity !== null || !bearer
        ? {}
        : bearer.proven
          ? { user: bearer.userId, sid: bearer.sid }
          : { claimed_user: bearer.userId };
    const token = bearer ? { token_id: bearer.tokenId, jti: bearer.jti } : {};
    const reason = String(error.details?.reason ?? error.code);
    this.write('token_refused', asker, reason, { what, ...token, ...whose });
  }

  private write(event: SecurityEvent, asker: Asker, reason: string, more: Readonly<Record<string, unknown>>): void {
    const { ip, via, conn, identity } = asker;
    const who =
      identity === null
        ? {}
        : { user: identity.userId, sid: identity.sid, jti: identity.jti, token_id: identity.tokenId };
    const facts: SecurityFacts = { reason, via, ip, conn, ...who, ...more };
    this.log.record(event, facts);
  }
}

export function askerOf(connection: Connection): Asker {
  const { id, ip, identity, shape } = connection;
  return { conn: id, ip, identity, via: shape?.name ?? 'websocket' };
}
