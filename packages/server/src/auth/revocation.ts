import { CLOSE } from '@unified-ws/protocol';
import { AppError } from '../errors.js';

/**
 * What is told to the bearer of a token that the registry voids; null when it does not.
 *
 * @param code close code that the registry's scripts answer, 0 when the token is good.
 */
export function revocationError(code: number): AppError | null {
  switch (code) {
    case 0:
      return null;
    case CLOSE.BANNED:
      return new AppError('TOKEN_REVOKED', 'This user is banned.', { details: { reason: 'banned' } });
    case CLOSE.TOKEN_EXPIRED:
      return new AppError('TOKEN_EXPIRED', "The user's permissions changed: a newer access token is required.", {
        details: { reason: 'outdated' },
      });
    default:
      return new AppError('TOKEN_REVOKED', 'The access token was revoked.', { details: { reason: 'revoked' } });
  }
}
