import { CLOSE } from '@unified-ws/protocol';
import { AppError } from '../util/appError.js';

/**
 * The error for the bearer of a token that the registry voids; null when the token is valid.
 *
 * @param code close code from the registry, 0 when the token is valid.
 * @param until end of a ban, milliseconds since the epoch, 0 = permanent.
 */
export function revocationError(code: number, until = 0): AppError | null {
  switch (code) {
    case 0:
      return null;
    case CLOSE.BANNED:
      return new AppError('TOKEN_REVOKED', 'This user is banned.', {
        details: { reason: 'banned', until: until === 0 ? null : new Date(until).toISOString() },
      });
    case CLOSE.TOKEN_EXPIRED:
      return new AppError('TOKEN_EXPIRED', "The user's permissions changed: a newer access token is required.", {
        details: { reason: 'outdated' },
      });
    default:
      return new AppError('TOKEN_REVOKED', 'The access token was revoked.', { details: { reason: 'revoked' } });
  }
}
