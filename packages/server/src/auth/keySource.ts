import type { KeyObject } from 'node:crypto';
import type { Algorithm } from './algorithms.js';

/** What a token says about its key. None of it is verified yet. */
export interface KeyQuery {
  /** One of the accepted algorithms: the verifier has already refused all others. */
  readonly algorithm: Algorithm;
  readonly kid: string | null;
  /** The token's `iss`. A function, because only a key set needs it and reading it costs a parse. */
  issuer(): unknown;
}

/** Where verification keys come from. */
export interface KeySource {
  /** The algorithms that any of its keys may verify. */
  readonly algorithms: ReadonlySet<Algorithm>;
  /**
   * The keys that may have signed such a token, each valid for `algorithm`; never an empty list. A promise only when a
   * key set has to be fetched first.
   *
   * @throws AppError `wrong_algorithm`, `wrong_issuer`, `unknown_key` or `keys_unavailable` (also as a rejection).
   */
  find(query: KeyQuery): readonly KeyObject[] | Promise<readonly KeyObject[]>;
}
