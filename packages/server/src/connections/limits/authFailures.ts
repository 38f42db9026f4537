import type { AuthReason, TokenVerifier } from '../../auth/tokenVerifier.js';
import { AppError } from '../../util/appError.js';
import type { AddressLimit } from './addressLimit.js';

/** Faults of tokens that anybody can make without a key. A token that was once issued (expired, other audience, revoked) is not forged. */
const FORGED: ReadonlySet<unknown> = new Set<AuthReason>([
  'malformed',
  'bad_signature',
  'wrong_algorithm',
  'unknown_key',
]);

/**
 * Forged tokens per client address. They are not dangerous, because signatures cannot be guessed, but they cost work: upgrade, error and
 * close cost several times as much as checking the signature. After too many from an address, its tokens are checked before the
 * upgrade, and forged ones get 429 there. Every token is checked, and a valid one is never refused: a whole company may share an
 * address, and one user must not lock out the others (in the predecessor five failures did).
 */
export class AuthFailures {
  private readonly limit: AddressLimit;
  private readonly verifier: TokenVerifier;

  /** @param limit of failures per second and address. */
  constructor(limit: AddressLimit, verifier: TokenVerifier) {
    this.limit = limit;
    this.verifier = verifier;
  }

  /** Counts a refused token of this address. */
  add(address: string, error: AppError): void {
    if (FORGED.has(error.details?.reason)) this.limit.take(address);
  }

  /** Seconds to wait, if this token is forged and its address is over the limit. 0: allowed, or the token is not known to be forged. */
  refuses(address: string, token: string): number {
    const wait = this.limit.wait(address);
    if (wait === 0) return 0;
    try {
      const verified = this.verifier.verify(token);
      // The key set is being fetched, so the token cannot be checked now. It is checked after the upgrade.
      if (verified instanceof Promise) verified.catch(ignoreLateFault);
      return 0;
    } catch (error) {
      // The acceptor reports any other fault. Thrown from here, it would end the process.
      return error instanceof AppError && FORGED.has(error.details?.reason) ? wait : 0;
    }
  }
}

/** The same check is repeated after the upgrade, which answers the fault. */
function ignoreLateFault(): void {
  return;
}
