import { hash } from 'node:crypto';
import type { Clock } from '../util/clock.js';
import type { Identity, TokenProof, TokenVerifier } from './tokenVerifier.js';

/** A token is remembered for this long after its signature was verified, milliseconds. */
const MAX_AGE_MS = 5000;
/** Tokens remembered; the oldest is dropped for one more. */
const MAX_TOKENS = 1000;

interface Remembered {
  readonly proof: TokenProof;
  readonly at: number;
}

/**
 * Tokens that come with one request after the other: their signatures are verified every few seconds, not each time. Only what cannot
 * change is remembered. Whether the key is still the issuer's, and whether the time is right, is asked each time; and a token that was
 * refused is not remembered. Texts are not kept: a dump of the memory of a node must not be a bunch of keys.
 */
export class VerifiedTokens {
  private readonly verifier: Pick<TokenVerifier, 'prove' | 'holds'>;
  private readonly clock: Pick<Clock, 'mono'>;
  /** By digest of the token, the oldest first. */
  private readonly proofs = new Map<string, Remembered>();

  constructor(verifier: Pick<TokenVerifier, 'prove' | 'holds'>, clock: Pick<Clock, 'mono'>) {
    this.verifier = verifier;
    this.clock = clock;
  }

  /** How many are remembered. */
  get size(): number {
    return this.proofs.size;
  }

  /** As `TokenVerifier.verify`. */
  verify(token: string): Identity | Promise<Identity> {
    const digest = hash('sha256', token, 'base64url');
    const known = this.proofs.get(digest);
    if (known && this.isFresh(known) && this.verifier.holds(known.proof)) return known.proof.identity;
    this.proofs.delete(digest);
    const proof = this.verifier.prove(token);
    return proof instanceof Promise ? proof.then((proven) => this.keep(digest, proven)) : this.keep(digest, proof);
  }

  private isFresh({ at }: Remembered): boolean {
    return this.clock.mono() - at < MAX_AGE_MS;
  }

  private keep(digest: string, proof: TokenProof): Identity {
    // Behind the older ones: one that was proven twice at a time counts from the second.
    this.proofs.delete(digest);
    for (const [oldest, one] of this.proofs) {
      if (this.proofs.size < MAX_TOKENS && this.isFresh(one)) break;
      this.proofs.delete(oldest);
    }
    this.proofs.set(digest, { proof, at: this.clock.mono() });
    return proof.identity;
  }
}
