import type { NodeParts } from '../../admin/nodeParts.js';
import { revocationError } from '../../auth/revocationError.js';
import { authError, type Identity } from '../../auth/tokenVerifier.js';
import type { Connection } from '../../connections/lifecycle/connection.js';
import { askerOf } from '../../connections/lifecycle/securityRecords.js';
import { expiryOf } from '../../connections/lifecycle/tokenEnd.js';
import type { Entry } from '../../registry/store/registryTypes.js';
import { AppError } from '../../util/appError.js';
import type { Handlers } from '../dispatcher.js';

/** `refresh_token`: a new token on the same connection. An invalid token is refused and changes nothing. */
export function tokenHandlers(
  parts: Pick<NodeParts, 'verifier' | 'store' | 'authority' | 'report' | 'securityRecords'>,
): Pick<Handlers, 'refresh_token'> {
  return {
    refresh_token: async (connection, { token }) => {
      const identity = await verified(connection, token);
      const entry = await entryOf(identity);
      const refusal = revocationError(entry.revokedCode, entry.revokedUntil);
      if (refusal !== null) throw kept(refusal);
      const removed = connection.isOpen() ? parts.authority.renew(connection, identity, entry.amendment) : [];
      parts.securityRecords.granted({ ...askerOf(connection), identity });
      await lookAgain(connection, identity);
      return {
        expires_at: expiryOf(connection),
        permissions: [...(connection.clearance?.permissions ?? [])],
        removed_subscriptions: [...removed],
      };
    },
  };

  async function verified(connection: Connection, token: string): Promise<Identity> {
    let identity: Identity;
    try {
      identity = await parts.verifier.verify(token);
    } catch (error) {
      throw error instanceof AppError ? kept(error) : error;
    }
    // A connection belongs to one user: its claim, its mailbox and its position are that user's.
    if (identity.userId !== connection.userId) throw kept(authError('wrong_user'));
    return identity;
  }

  /** An order between the check and the renewal was applied to the old token. The second check keeps out a token revoked meanwhile. */
  async function lookAgain(connection: Connection, identity: Identity): Promise<void> {
    let entry: Entry;
    try {
      entry = await entryOf(identity);
    } catch (error) {
      // Reported. The token was valid a moment ago, and the sweep checks it again (C12).
      if (error instanceof AppError) return;
      throw error;
    }
    if (entry.revokedCode !== 0) connection.end(entry.revokedCode);
    else if (connection.isOpen()) connection.amend(entry.amendment);
  }

  /** As at connect: a ban, a revocation or an order of permissions-changed may apply to the new token too (C7). */
  async function entryOf(identity: Identity): Promise<Entry> {
    try {
      return await parts.store.entry({
        userId: identity.userId,
        issuedAt: identity.issuedAt,
        sessionId: identity.sid ?? '',
      });
    } catch (error) {
      parts.report(error, 'dispatch.refresh');
      throw new AppError('UNAVAILABLE', 'The server cannot check whether the token was revoked; try again.', {
        cause: error,
      });
    }
  }
}

/** The old token stays in force, so the connection stays usable whatever the error code says by default. */
function kept({ code, message, details = {}, cause, bearer }: AppError): AppError {
  const error = new AppError(code, message, { details, cause, recoverable: true });
  if (bearer) error.bearer = bearer;
  return error;
}
