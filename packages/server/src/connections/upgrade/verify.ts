import type { Identity, TokenVerifier } from '../../auth/tokenVerifier.js';
import type { Connection } from '../lifecycle/connection.js';

/** What becomes of a connection whose token was checked. */
export interface Verdict {
  readonly verified: (identity: Identity) => void;
  readonly refused: (error: unknown) => void;
  /** One of the two has thrown when the token was checked later; what it throws at once goes to the caller. */
  readonly failed: (error: unknown) => void;
}

/**
 * Checks the token of a connection. Most are checked at once; while a key has to be fetched first, the connection counts as being
 * worked on, and what it sends meanwhile waits.
 */
export function verify(
  verifier: TokenVerifier,
  token: string,
  connection: Connection,
  { verified, refused, failed }: Verdict,
): void {
  let identity: Identity | Promise<Identity>;
  try {
    identity = verifier.verify(token);
  } catch (error) {
    refused(error);
    return;
  }
  if (!(identity instanceof Promise)) {
    verified(identity);
    return;
  }
  connection.handling = true;
  identity
    .finally(() => {
      connection.handling = false;
    })
    .then(verified, refused)
    .catch(failed);
}
