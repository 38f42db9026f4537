import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorCodes, type Permission } from '@unified-ws/protocol';
import { revocationError } from '../../auth/revocationError.js';
import { bearerToken } from '../../auth/tokenFromRequest.js';
import { authError, type Identity } from '../../auth/tokenVerifier.js';
import { VerifiedTokens } from '../../auth/verifiedTokens.js';
import { amended } from '../../registry/store/amendment.js';
import type { TokenOrders } from '../../registry/store/registryTypes.js';
import { AppError } from '../../util/appError.js';
import { type Caller, localsOf } from './caller.js';
import type { RestParts } from './restParts.js';

/** Admits a request if its token is valid and has the permission for the route. */
export class Gate {
  /** Callers of this turn of the event loop, by token. */
  private readonly turn = new Map<string, Promise<Caller>>();
  private readonly tokens: VerifiedTokens;

  constructor(
    private readonly parts: Pick<
      RestParts,
      'verifier' | 'clock' | 'roles' | 'store' | 'securityRecords' | 'httpLimit' | 'report'
    >,
  ) {
    this.tokens = new VerifiedTokens(parts.verifier, parts.clock);
  }

  /**
   * Lets in a caller with a good token.
   *
   * @param anyOf one of these permissions is enough; none: any good token is.
   * @throws AppError AUTH_ERROR, TOKEN_EXPIRED, TOKEN_REVOKED, PERMISSION_DENIED, RATE_LIMITED, or UNAVAILABLE.
   */
  async authorise(request: IncomingMessage, response: ServerResponse, anyOf: readonly Permission[]): Promise<void> {
    const { permissions } = await this.admit(request, response);
    if (anyOf.length === 0 || anyOf.some((permission) => permissions.has(permission))) return;
    throw new AppError('PERMISSION_DENIED', `This needs the permission ${anyOf.join(' or ')}.`, {
      details: { permission: anyOf[0] },
    });
  }

  private async admit(request: IncomingMessage, response: ServerResponse): Promise<Caller> {
    const token = bearerToken(request.headers.authorization);
    if (token === null) throw authError('missing');
    const { httpLimit } = this.parts;
    let caller: Caller;
    try {
      caller = await this.callerOf(token);
    } catch (error) {
      if (isAuthError(error)) httpLimit.rejected(token);
      throw error;
    }
    localsOf(response).caller = caller;
    this.parts.securityRecords.granted({
      ip: localsOf(response).address ?? '',
      via: 'rest',
      identity: caller.identity,
    });
    const wait = httpLimit.authenticated(request, token, caller.identity.userId, caller.permissions);
    if (wait > 0) {
      throw new AppError('RATE_LIMITED', 'Too many requests.', { details: { retry_after_ms: wait * 1000 } });
    }
    return caller;
  }

  /**
   * A busy publisher sends many requests in one turn, so they share one check of the token. Redis is read after the turn, so the
   * answer is not older than any of the requests.
   */
  private callerOf(token: string): Promise<Caller> {
    let caller = this.turn.get(token);
    if (!caller) {
      if (this.turn.size === 0) setImmediate(() => this.turn.clear());
      caller = this.identify(token);
      this.turn.set(token, caller);
    }
    return caller;
  }

  private async identify(token: string): Promise<Caller> {
    const identity = await this.inForce(await this.tokens.verify(token));
    return { identity, permissions: this.parts.roles().permissionsOf(identity) };
  }

  /**
   * Bans, revocations and permissions-changed apply to requests as they do to connections. While Redis is away they cannot be
   * checked, so every request is refused.
   */
  private async inForce(token: Identity): Promise<Identity> {
    const { store, report } = this.parts;
    const { userId, issuedAt, sid } = token;
    let orders: TokenOrders;
    try {
      orders = await store.orders({ userId, issuedAt, sessionId: sid ?? '' });
    } catch (error) {
      report(error, 'rest.revocation');
      throw new AppError('UNAVAILABLE', 'The server cannot check whether the token was revoked; try again.', {
        cause: error,
      });
    }
    const revoked = revocationError(orders.revokedCode, orders.revokedUntil);
    if (revoked !== null) throw revoked;
    return amended(token, orders.amendment);
  }
}

function isAuthError(error: unknown): boolean {
  return error instanceof AppError && errorCodes[error.code].http === 401;
}
