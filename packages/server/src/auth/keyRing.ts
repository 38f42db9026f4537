import { createSecretKey, type KeyObject } from 'node:crypto';
import type { Report } from '../observability/log/logger.js';
import type { Clock } from '../util/clock.js';
import { type Algorithm, algorithmsOf, SECRET_ALGORITHMS } from './algorithms.js';
import { GrantCap } from './grantCap.js';
import type { IssuerDefinition } from './issuers.js';
import { JwksKeys } from './jwksKeys.js';
import type { KeyQuery, KeySource } from './keySource.js';
import { loadPublicKeys } from './publicKeys.js';
import type { TokenIssuer } from './tokenVerifier.js';

/** Keys known at start: secrets, or public keys. The first secret is the newest; tokens name no key, so every key is tried in turn. */
export class StaticKeys implements KeySource {
  readonly algorithms: ReadonlySet<Algorithm>;
  readonly #byAlgorithm = new Map<Algorithm, KeyObject[]>();

  /** @param allowed `JWT_ALGORITHMS`; a key verifies those of them that fit its kind. */
  constructor(keys: readonly KeyObject[], allowed: readonly Algorithm[]) {
    for (const key of keys) {
      for (const algorithm of algorithmsOf(key)) {
        if (!allowed.includes(algorithm)) continue;
        const list = this.#byAlgorithm.get(algorithm);
        if (list) list.push(key);
        else this.#byAlgorithm.set(algorithm, [key]);
      }
    }
    this.algorithms = new Set(this.#byAlgorithm.keys());
  }

  find({ algorithm }: KeyQuery): readonly KeyObject[] {
    return this.#byAlgorithm.get(algorithm) ?? [];
  }
}

/** Secrets for the HS algorithms beside one source of public keys: only the algorithm decides which one is used. */
export class KeyRing implements KeySource {
  readonly algorithms: ReadonlySet<Algorithm>;
  readonly #sources = new Map<Algorithm, KeySource>();

  constructor(sources: readonly KeySource[]) {
    for (const source of sources) {
      for (const algorithm of source.algorithms) {
        if (this.#sources.has(algorithm)) throw new TypeError(`two key sources for ${algorithm}`);
        this.#sources.set(algorithm, source);
      }
    }
    this.algorithms = new Set(this.#sources.keys());
  }

  find(query: KeyQuery): readonly KeyObject[] | Promise<readonly KeyObject[]> {
    return this.#sources.get(query.algorithm)?.find(query) ?? [];
  }
}

/** The keys of a further issuer, and what its tokens may contain. */
export function createIssuer(
  { issuer, audience, jwksUrl, publicKey, names, grants, userPrefix }: IssuerDefinition,
  allowed: readonly Algorithm[],
  deps: { clock: Clock; report: Report },
): TokenIssuer {
  const keys =
    jwksUrl === null
      ? new StaticKeys(publicKey === null ? [] : loadPublicKeys(publicKey), allowed)
      : new JwksKeys({ url: jwksUrl, issuer, algorithms: withoutSecrets(allowed), ...deps });
  return { keys, rules: { issuer, audience, names, cap: new GrantCap(grants), userPrefix } };
}

function withoutSecrets(allowed: readonly Algorithm[]): readonly Algorithm[] {
  return allowed.filter((name) => !(SECRET_ALGORITHMS as readonly string[]).includes(name));
}

/** A text secret costs 4.6 times as much per token: jsonwebtoken first tries it as a public key. */
export function secretKey(secret: string): KeyObject {
  return createSecretKey(Buffer.from(secret, 'utf8'));
}

/** JWT_SECRET, JWT_PUBLIC_KEY, JWT_JWKS_URL, JWT_ISSUER and JWT_ALGORITHMS. */
export interface KeySettings {
  readonly jwtSecret: readonly string[];
  readonly jwtPublicKey: string | null;
  readonly jwtJwksUrl: string | null;
  readonly jwtIssuer: string | null;
  readonly jwtAlgorithms: readonly Algorithm[];
}

/**
 * The key source that the settings describe.
 *
 * @throws PublicKeyError when `JWT_PUBLIC_KEY` cannot be read; `loadSettings` has already checked that.
 */
export function createKeySource(settings: KeySettings, deps: { clock: Clock; report: Report }): KeySource {
  const allowed = settings.jwtAlgorithms;
  const sources: KeySource[] = [];
  if (settings.jwtSecret.length > 0) sources.push(new StaticKeys(settings.jwtSecret.map(secretKey), allowed));
  if (settings.jwtPublicKey !== null) sources.push(new StaticKeys(loadPublicKeys(settings.jwtPublicKey), allowed));
  if (settings.jwtJwksUrl !== null) {
    if (settings.jwtIssuer === null) throw new TypeError('JWT_JWKS_URL needs JWT_ISSUER');
    sources.push(
      new JwksKeys({
        url: settings.jwtJwksUrl,
        issuer: settings.jwtIssuer,
        algorithms: withoutSecrets(allowed),
        ...deps,
      }),
    );
  }
  return new KeyRing(sources);
}
