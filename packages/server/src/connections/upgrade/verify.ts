import type { Identity, TokenVerifier } from '../../auth/tokenVerifier.js';
import type { Connection } from '../lifecycle/connection.js';

/** What to do when the token of a connection was verified. */
export interface Verdict {
  readonly verified: (identity: Identity) => void;
  readonly refused: (error: unknown) => void;
  /** Called if `verified` or `refused` throws after an asynchronous check. Otherwise the error goes to the caller. */
  readonly failed: (error: unknown) => void;
}

/**
 * Verifies the token of a connection. Most tokens are verified at once. While a key has to be fetched first, the connection counts as busy,
 * and its messages wait.
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
  connection.verifying = true;
  identity
    .finally(() => {
      connection.verifying = false;
    })
    .then(verified, refused)
    .catch(failed);
}
