import { AppError } from '../util/appError.js';

/**
 * Every fault of a token, as `details.reason` names it, with the error code and the sentence for the client.
 * The sentence says what to do and repeats nothing from the token or our configuration.
 */
export const AUTH_REASONS = Object.freeze({
  missing: { code: 'AUTH_ERROR', message: 'An access token is required.' },
  query_token: {
    code: 'AUTH_ERROR',
    message:
      'An access token in the URL is not accepted here: send it as a header, a subprotocol or an authenticate message.',
  },
  malformed: { code: 'AUTH_ERROR', message: 'The access token is not a well-formed JSON Web Token.' },
  bad_signature: { code: 'AUTH_ERROR', message: 'The signature of the access token is not valid.' },
  wrong_algorithm: {
    code: 'AUTH_ERROR',
    message: 'The access token is signed with an algorithm that is not accepted.',
  },
  expired: { code: 'TOKEN_EXPIRED', message: 'The access token has expired.' },
  not_yet_valid: { code: 'AUTH_ERROR', message: 'The access token is not valid yet.' },
  wrong_issuer: { code: 'AUTH_ERROR', message: 'The access token comes from an issuer that is not accepted.' },
  wrong_audience: { code: 'AUTH_ERROR', message: 'The access token is meant for another audience.' },
  wrong_token_use: { code: 'AUTH_ERROR', message: 'This token is not an access token.' },
  wrong_user: {
    code: 'AUTH_ERROR',
    message: "The access token is another user's: open a connection of its own for it.",
  },
  unknown_key: { code: 'AUTH_ERROR', message: 'The access token is signed with an unknown key.' },
  invalid_claims: { code: 'AUTH_ERROR', message: 'A claim of the access token is missing or has the wrong form.' },
  /** Not a fault of the token: the issuer's key set is not available now. The client keeps its token and retries. */
  keys_unavailable: { code: 'UNAVAILABLE', message: 'Tokens cannot be verified at the moment; try again.' },
} as const satisfies Record<string, { code: 'AUTH_ERROR' | 'TOKEN_EXPIRED' | 'UNAVAILABLE'; message: string }>);

export type AuthReason = keyof typeof AUTH_REASONS;

/** @param claim name of the invalid claim (`invalid_claims` only): a name from our own list, never text from the token. */
export function authError(reason: AuthReason, options: { claim?: string; cause?: unknown } = {}): AppError {
  const { code, message } = AUTH_REASONS[reason];
  const { claim, cause } = options;
  return new AppError(code, message, { details: claim === undefined ? { reason } : { reason, claim }, cause });
}
