import { errorCodes, type Permission } from '@unified-ws/protocol';
import type { Request, RequestHandler, Response } from 'express';
import { revocationError } from '../../auth/revocationError.js';
import { bearerToken } from '../../auth/tokenFromRequest.js';
import { authError, type Identity } from '../../auth/tokenVerifier.js';
import { amended } from '../../registry/store/amendment.js';
import type { Entry } from '../../registry/store/registryTypes.js';
import { AppError } from '../../util/appError.js';
import { type Caller, localsOf } from './caller.js';
import type { RestParts } from './restParts.js';

/** Admits a request if its token is valid and has the permission for the route. */
export class Gate {
  /** Callers of this turn of the event loop, by token. */
  private readonly turn = new Map<string, Promise<Caller>>();

  constructor(
    private readonly parts: Pick<
      RestParts,
      'verifier' | 'roles' | 'store' | 'securityRecords' | 'httpLimit' | 'report'
    >,
  ) {}

  /** Admits every valid token, whatever its permissions. */
  authenticate(): RequestHandler {
    return async (request, response, next) => {
      await this.admit(request, response);
      next();
    };
  }

  /** @param anyOf one of these permissions is enough. */
  authorise(...anyOf: readonly [Permission, ...Permission[]]): RequestHandler {
    return async (request, response, next) => {
      const { permissions } = await this.admit(request, response);
      if (!anyOf.some((permission) => permissions.has(permission))) {
        throw new AppError('PERMISSION_DENIED', `This needs the permission ${anyOf.join(' or ')}.`, {
          details: { permission: anyOf[0] },
        });
      }
      next();
    };
  }

  private async admit(request: Request, response: Response): Promise<Caller> {
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
    const identity = await this.inForce(await this.parts.verifier.verify(token));
    return { identity, permissions: this.parts.roles().permissionsOf(identity) };
  }

  /**
   * Bans, revocations and permissions-changed apply to requests as they do to connections. While Redis is away they cannot be
   * checked, so every request is refused.
   */
  private async inForce(token: Identity): Promise<Identity> {
    const { store, report } = this.parts;
    const { userId, issuedAt, sid } = token;
    let entry: Pick<Entry, 'revokedCode' | 'revokedUntil' | 'amendment'>;
    try {
      entry = await store.entry({ userId, issuedAt, sessionId: sid ?? '' });
    } catch (error) {
      report(error, 'rest.revocation');
      throw new AppError('UNAVAILABLE', 'The server cannot check whether the token was revoked; try again.', {
        cause: error,
      });
    }
    const revoked = revocationError(entry.revokedCode, entry.revokedUntil);
    if (revoked !== null) throw revoked;
    return amended(token, entry.amendment);
  }
}

function isAuthError(error: unknown): boolean {
  return error instanceof AppError && errorCodes[error.code].http === 401;
}
