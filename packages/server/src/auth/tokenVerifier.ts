import { hash, type KeyObject } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { AppError, type Bearer } from '../util/appError.js';
import type { Clock } from '../util/clock.js';
import type { Algorithm } from './algorithms.js';
import { authError } from './authReasons.js';
import { type ClaimNames, claimAt, DEFAULT_CLAIM_NAMES } from './claimNames.js';
import { type ClaimRules, type Claims, type Identity, identityOf, timeFault, type Validity } from './claims.js';
import type { GrantCap } from './grantCap.js';
import type { KeyQuery, KeySource } from './keySource.js';
import { type TokenClock, tokenClock } from './tokenClock.js';

export { AUTH_REASONS, type AuthReason, authError } from './authReasons.js';
export { CLOCK_TOLERANCE_S, type Identity } from './claims.js';

/** A longer token is refused unread. Node.js accepts request heads of up to 16 KiB; identity providers stay below 4 KiB. */
export const MAX_TOKEN_BYTES = 8192;

export interface TokenVerifierOptions {
  /** `JWT_ISSUER`; null or absent: not checked. */
  readonly issuer?: string | null;
  /** `JWT_AUDIENCE`; empty or absent: not checked. */
  readonly audience?: readonly string[];
  /** JWT_USER_CLAIM and the like. */
  readonly names?: ClaimNames;
  /** `JWT_GRANTS`. */
  readonly cap?: GrantCap;
  /** Further issuers, each with keys that verify only its own tokens. */
  readonly others?: readonly TokenIssuer[];
  /** The wall clock of this machine. */
  readonly clock: Pick<Clock, 'now'>;
  /** A token is refused for its time only when both clocks refuse it. Default: only the wall clock. */
  readonly clusterTime?: Pick<Clock, 'now'>;
}

/** Characters of a refused token's claims that are logged. */
const MAX_CLAIMED_LENGTH = 128;

/** Which tokens are accepted: the keys that sign them, and what they must and may contain. */
export interface TokenIssuer {
  readonly keys: KeySource;
  readonly rules: ClaimRules;
}

/** Why a token was found good. Of the key and the time this may change. */
export interface TokenProof {
  readonly identity: Identity;
  readonly validity: Validity;
  /** The key that signed it, and where keys for such a token come from. */
  readonly key: KeyObject;
  readonly keys: KeySource;
  readonly query: KeyQuery;
}

interface TokenParts {
  readonly token: string;
  readonly payload: string;
  readonly algorithm: Algorithm;
  readonly kid: string | null;
}

/**
 * Verifies access tokens: JSON Web Tokens (RFC 7519) signed with HS, RS, PS or ES algorithms (no EdDSA, `jsonwebtoken` does
 * not implement it; never `none`). The key decides which algorithms are valid, not the token.
 */
export class TokenVerifier {
  /** For JWT_ISSUER and its keys. */
  readonly #main: TokenIssuer;
  /** By the `iss` of their tokens. */
  readonly #others: ReadonlyMap<string, TokenIssuer>;
  readonly #clock: TokenClock;

  constructor(keys: KeySource, options: TokenVerifierOptions) {
    const { issuer = null, audience = [], names, cap } = options;
    this.#main = { keys, rules: { issuer, audience, ...(names ? { names } : {}), ...(cap ? { cap } : {}) } };
    this.#others = new Map((options.others ?? []).map((other) => [other.rules.issuer ?? '', other]));
    this.#clock = tokenClock(options.clock, options.clusterTime ?? options.clock);
  }

  /**
   * Answers synchronously, except while a key set is fetched: no promise on the connect path of static keys. So failures may be
   * thrown as well as rejected; `await` in a `try` handles both.
   *
   * @throws AppError `AUTH_ERROR`, `TOKEN_EXPIRED` or `UNAVAILABLE` with `details.reason` of AUTH_REASONS.
   */
  verify(token: string): Identity | Promise<Identity> {
    const proof = this.prove(token);
    return proof instanceof Promise ? proof.then(({ identity }) => identity) : proof.identity;
  }

  /** As `verify`, for `holds`. */
  prove(token: string): TokenProof | Promise<TokenProof> {
    try {
      const proof = this.#prove(token);
      return proof instanceof Promise ? proof.catch((error: unknown) => this.#refuse(error, token)) : proof;
    } catch (error) {
      return this.#refuse(error, token);
    }
  }

  /** Whether a token would be found good again. When not, `verify` says why. */
  holds({ keys, query, key, validity }: TokenProof): boolean {
    return timeFault(validity, this.#clock) === null && isCurrent(key, keys, query);
  }

  /** With the bearer, for the log. */
  #refuse(error: unknown, token: string): never {
    const { names = DEFAULT_CLAIM_NAMES } = this.#main.rules;
    if (error instanceof AppError) error.bearer ??= () => claimedBearer(token, names);
    throw error;
  }

  #prove(token: string): TokenProof | Promise<TokenProof> {
    const parts = this.#split(token);
    const { algorithm, kid } = parts;
    const { keys: source, rules } = this.#issuerOf(parts);
    if (!source.algorithms.has(algorithm)) throw authError('wrong_algorithm');
    const query = { algorithm, kid, issuer: () => readIssuer(parts.payload) };
    const keys = source.find(query);
    if (keys instanceof Promise) return keys.then((fetched) => this.#check(parts, source, fetched, rules));
    return this.#check(parts, source, keys, rules);
  }

  /** Chosen before anything is verified: a token that names a wrong issuer meets keys that did not sign it. */
  #issuerOf({ payload }: TokenParts): TokenIssuer {
    if (this.#others.size === 0) return this.#main;
    const issuer = readIssuer(payload);
    return (typeof issuer === 'string' ? this.#others.get(issuer) : undefined) ?? this.#main;
  }

  #split(token: string): TokenParts {
    if (token === '') throw authError('missing');
    if (token.length > MAX_TOKEN_BYTES) throw authError('malformed');
    const match = COMPACT.exec(token);
    const header = match?.[1] ? parseObject(match[1]) : null;
    if (!match || !header) throw authError('malformed');
    // An unknown extension must not be ignored (RFC 7515 §4.1.11); jsonwebtoken ignores it.
    if (header.crit !== undefined) throw authError('malformed');
    const kid = header.kid ?? null;
    if (typeof header.alg !== 'string' || (kid !== null && typeof kid !== 'string')) throw authError('malformed');
    const algorithm = header.alg as Algorithm;
    return { token, payload: match[2] ?? '', algorithm, kid };
  }

  #check(parts: TokenParts, source: KeySource, keys: readonly KeyObject[], rules: ClaimRules): TokenProof {
    for (const key of keys) {
      const claims = verifySignature(parts, key);
      if (!claims) continue;
      const { algorithm, kid } = parts;
      const { iss } = claims;
      const query = { algorithm, kid, issuer: () => iss };
      return { keys: source, query, key, ...this.#identityOf(claims, parts.token, rules) };
    }
    // The difference matters to a developer who debugs a client.
    throw authError(parseObject(parts.payload) ? 'bad_signature' : 'malformed');
  }

  #identityOf(claims: Claims, token: string, rules: ClaimRules): ReturnType<typeof identityOf> {
    try {
      return identityOf(claims, rules, this.#clock, tokenIdOf(token));
    } catch (error) {
      const { names = DEFAULT_CLAIM_NAMES } = rules;
      if (error instanceof AppError) error.bearer = () => bearerOf(claims, token, names, true);
      throw error;
    }
  }
}

/** While a key set is fetched nobody can tell: then the key is none that is known to be current. */
function isCurrent(key: KeyObject, source: KeySource, query: KeyQuery): boolean {
  try {
    const keys = source.find(query);
    if (!(keys instanceof Promise)) return keys.includes(key);
    // The token is verified anew next, which waits for the same fetch.
    keys.catch(ignoreLateFault);
    return false;
  } catch {
    return false; // its key is gone; the caller's verification says so
  }
}

function ignoreLateFault(): void {
  return;
}

/** Header, payload, signature; a missing signature is allowed here, and later is invalid. */
const COMPACT = /^([\w-]+)\.([\w-]+)\.[\w-]*$/;

/**
 * jsonwebtoken checks only the signature. It reports reasons as texts that may change; claims.ts checks
 * the claims, with our own reasons.
 *
 * @returns null when this key did not sign the token.
 */
function verifySignature({ token, algorithm }: TokenParts, key: KeyObject): Claims | null {
  try {
    const claims: unknown = jwt.verify(token, key, {
      algorithms: [algorithm],
      ignoreExpiration: true,
      ignoreNotBefore: true,
    });
    return isObject(claims) ? claims : null;
  } catch {
    return null; // the next key may fit; the caller tells when none does
  }
}

function claimedBearer(token: string, names: ClaimNames): Bearer {
  const [, payload = ''] = token.length > MAX_TOKEN_BYTES ? [] : (COMPACT.exec(token)?.slice(1) ?? []);
  return bearerOf(parseObject(payload) ?? {}, token, names, false);
}

function bearerOf(claims: Claims, token: string, names: ClaimNames, proven: boolean): Bearer {
  const read = (path: string): string | null => {
    const value = claimAt(claims, path);
    return typeof value === 'string' ? value.slice(0, MAX_CLAIMED_LENGTH) : null;
  };
  return { proven, userId: read(names.user), sid: read(names.session), jti: read('jti'), tokenId: tokenIdOf(token) };
}

/** Half of a SHA-256: two log lines with the same value are about the same token. */
function tokenIdOf(token: string): string {
  return hash('sha256', token, 'hex').slice(0, 16);
}

function readIssuer(payload: string): unknown {
  const claims = parseObject(payload);
  if (!claims) throw authError('malformed');
  return claims.iss;
}

function parseObject(base64url: string): Claims | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(base64url, 'base64url').toString('utf8'));
    return isObject(value) ? value : null;
  } catch {
    return null; // not JSON: the callers' messages must not quote it
  }
}

function isObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
