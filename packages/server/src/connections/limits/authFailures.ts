import type { AuthReason, TokenVerifier } from '../../auth/tokenVerifier.js';
import { AppError } from '../../util/appError.js';
import type { AddressLimit } from './addressLimit.js';

/** What anybody can make without a key. A token that was really issued (expired, of another audience, revoked) is no attempt at that. */
const FORGED: ReadonlySet<unknown> = new Set<AuthReason>([
  'malformed',
  'bad_signature',
  'wrong_algorithm',
  'unknown_key',
]);

/**
 * Forged tokens per client address. They are no danger (nobody guesses a signature), only work: the upgrade, the error and the close
 * cost several times the look at the signature. So an address that sent too many is looked at before its upgrade, and a
 * forged token is answered with 429 there. Nobody is refused unread, and a good token never is: behind one address there may be a
 * whole company, and whoever could use up its failures could lock it out (the predecessor did after five).
 */
export class AuthFailures {
  private readonly limit: AddressLimit;
  private readonly verifier: TokenVerifier;

  /** @param limit failures per second and address. */
  constructor(limit: AddressLimit, verifier: TokenVerifier) {
    this.limit = limit;
    this.verifier = verifier;
  }

  /** A token from this address was refused. */
  add(address: string, error: AppError): void {
    if (FORGED.has(error.details?.reason)) this.limit.take(address);
  }

  /** Seconds after which a forged token is told what it is again; 0: now, or this one is not known to be forged. */
  refuses(address: string, token: string): number {
    const wait = this.limit.wait(address);
    if (wait === 0) return 0;
    try {
      const verified = this.verifier.verify(token);
      // While a key set is fetched nobody can tell, and its answer comes after the upgrade as ever.
      if (verified instanceof Promise) verified.catch(ignoreLateFault);
      return 0;
    } catch (error) {
      // Anything but a verdict on the token is the acceptor's to report: thrown from here it would end the process.
      return error instanceof AppError && FORGED.has(error.details?.reason) ? wait : 0;
    }
  }
}

/** The same look is taken again after the upgrade, and answered then. */
function ignoreLateFault(): void {
  return;
}
