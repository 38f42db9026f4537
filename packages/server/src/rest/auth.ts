import { CLOSE, type Permission } from '@unified-ws/protocol';
import type { RequestHandler } from 'express';
import { bearerToken } from '../auth/carrier.js';
import type { RoleTable } from '../auth/roles.js';
import { authError, type Identity, type TokenVerifier } from '../auth/token.js';
import { AppError } from '../errors.js';
import type { Report } from '../observability/logger.js';
import type { RegistryStore } from '../registry/store.js';
import { localsOf } from './http.js';

export interface GateParts {
  readonly verifier: TokenVerifier;
  readonly roles: () => RoleTable;
  readonly store: Pick<RegistryStore, 'entry'>;
  readonly report: Report;
}

/** Lets in who brings a good token with the permission for the route. */
export class Gate {
  private readonly parts: GateParts;

  constructor(parts: GateParts) {
    this.parts = parts;
  }

  /** @param anyOf one of these permissions is enough. */
  authorise(...anyOf: readonly [Permission, ...Permission[]]): RequestHandler {
    return async (request, response, next) => {
      const token = bearerToken(request.headers.authorization);
      if (token === null) throw authError('missing');
      const identity = await this.parts.verifier.verify(token);
      const permissions = this.parts.roles().permissionsOf(identity);
      localsOf(response).caller = { identity, permissions };
      if (!anyOf.some((permission) => permissions.has(permission))) {
        throw new AppError('PERMISSION_DENIED', `This needs the permission ${anyOf.join(' or ')}.`, {
          details: { permission: anyOf[0] },
        });
      }
      await this.refuseRevoked(identity);
      next();
    };
  }

  /** A ban or a revocation holds here as it does for connections; with Redis away nobody can tell, so nobody gets in. */
  private async refuseRevoked({ userId, issuedAt, sid }: Identity): Promise<void> {
    const { store, report } = this.parts;
    let code: number;
    try {
      code = (await store.entry({ userId, issuedAt, sessionId: sid ?? '' })).revokedCode;
    } catch (error) {
      report(error, 'rest.revocation');
      throw new AppError('UNAVAILABLE', 'It cannot be told whether the token was revoked, try again.', {
        cause: error,
      });
    }
    if (code === 0) return;
    const banned = code === CLOSE.BANNED;
    throw new AppError('TOKEN_REVOKED', banned ? 'This user is banned.' : 'The access token was revoked.', {
      details: { reason: banned ? 'banned' : 'revoked' },
    });
  }
}
