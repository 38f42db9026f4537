import { createPublicKey, type KeyObject } from 'node:crypto';
import jwksRsa from 'jwks-rsa';
import type { Report } from '../observability/log/logger.js';
import type { AppError } from '../util/appError.js';
import type { Clock } from '../util/clock.js';
import { type Algorithm, algorithmsOf } from './algorithms.js';
import { authError } from './authReasons.js';
import type { KeyQuery, KeySource } from './keySource.js';

/** Time-outs and limits of the key set, milliseconds unless named otherwise. */
export type JwksLimits = Readonly<Record<'maxAgeMs' | 'maxStaleMs' | 'cooldownMs' | 'timeoutMs' | 'maxBytes', number>>;

export const JWKS_LIMITS: JwksLimits = Object.freeze({
  /** A key set is used for this long; after that a key that the issuer withdrew verifies nothing. */
  maxAgeMs: 600_000,
  /** While the issuer cannot be reached, known keys stay valid for this long after they were last confirmed. */
  maxStaleMs: 3_600_000,
  /** At most one request in this time, successful or not: neither a flood of invented `kid`s nor an outage causes the issuer more load. */
  cooldownMs: 10_000,
  /** Limit for the whole answer, not for the gap between two bytes. */
  timeoutMs: 3_000,
  maxBytes: 262_144,
});

export interface JwksOptions {
  readonly url: string;
  /** The only issuer whose tokens this key set verifies (`JWT_ISSUER`). */
  readonly issuer: string;
  /** `JWT_ALGORITHMS` without the HS ones. */
  readonly algorithms: readonly Algorithm[];
  readonly clock: Pick<Clock, 'mono'>;
  readonly report: Report;
  readonly limits?: Partial<JwksLimits>;
}

interface SetKey {
  readonly kid: string | null;
  readonly key: KeyObject;
  readonly algorithms: readonly Algorithm[];
}

/**
 * The issuer's key set (RFC 7517), fetched with jwks-rsa and kept whole. jwks-rsa's own cache works per `kid` and its rate
 * limit fails valid tokens after ten invalid ones; here a `kid` that a fresh set lacks is unknown, without a request.
 */
export class JwksKeys implements KeySource {
  readonly algorithms: ReadonlySet<Algorithm>;
  readonly #options: JwksOptions;
  readonly #limits: JwksLimits;
  readonly #client: jwksRsa.JwksClient;
  #keys: readonly SetKey[] = [];
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #failedAt = Number.NEGATIVE_INFINITY;
  #pending: Promise<AppError | null> | null = null;

  constructor(options: JwksOptions) {
    this.#options = options;
    this.#limits = { ...JWKS_LIMITS, ...options.limits };
    this.algorithms = new Set(options.algorithms);
    this.#client = jwksRsa({
      jwksUri: options.url,
      cache: false,
      rateLimit: false,
      fetcher: (url) => fetchKeySet(url, this.#limits),
    });
  }

  find(query: KeyQuery): readonly KeyObject[] | Promise<readonly KeyObject[]> {
    // Before any request: a `kid` is unique only within its issuer, and tokens of other issuers must not cause requests.
    if (query.issuer() !== this.#options.issuer) throw authError('wrong_issuer');
    const now = this.#options.clock.mono();
    const known = this.#lookup(query);
    const age = now - this.#fetchedAt;
    if (known.length > 0 && age < this.#limits.maxAgeMs) return known;
    if (known.length === 0 && age < this.#limits.cooldownMs) throw authError('unknown_key');
    if (now - this.#failedAt < this.#limits.cooldownMs) return this.#stale(known, authError('keys_unavailable'));
    return this.#refresh().then((failure) => {
      if (failure) return this.#stale(known, failure);
      const found = this.#lookup(query);
      if (found.length === 0) throw authError('unknown_key');
      return found;
    });
  }

  #stale(known: readonly KeyObject[], failure: AppError): readonly KeyObject[] {
    if (known.length > 0 && this.#options.clock.mono() - this.#fetchedAt < this.#limits.maxStaleMs) return known;
    throw failure;
  }

  /** A token without `kid` is accepted only while the set has one key, so that no client can make the server try all keys. */
  #lookup({ kid, algorithm }: KeyQuery): readonly KeyObject[] {
    if (kid === null && this.#keys.length !== 1) return [];
    return this.#keys
      .filter((entry) => (kid === null || entry.kid === kid) && entry.algorithms.includes(algorithm))
      .map((entry) => entry.key);
  }

  #refresh(): Promise<AppError | null> {
    this.#pending ??= this.#fetch().finally(() => {
      this.#pending = null;
    });
    return this.#pending;
  }

  /** @returns null, or why there is no key set: reported here once, then returned to each caller that has no older set. */
  async #fetch(): Promise<AppError | null> {
    const { clock, report } = this.#options;
    try {
      const keys = await this.#client.getSigningKeys();
      this.#keys = keys.flatMap((entry) => this.#accept(entry));
      this.#fetchedAt = clock.mono();
      this.#failedAt = Number.NEGATIVE_INFINITY;
      return null;
    } catch (error) {
      this.#failedAt = clock.mono();
      report(error, 'auth.jwks');
      return authError('keys_unavailable', { cause: error });
    }
  }

  #accept(entry: jwksRsa.SigningKey): SetKey[] {
    const key = createPublicKey(entry.getPublicKey());
    // A key that names its algorithm verifies only that algorithm (RFC 7517 §4.4).
    const algorithms = algorithmsOf(key).filter(
      (name) => this.algorithms.has(name) && (!entry.alg || entry.alg === name),
    );
    return algorithms.length > 0 ? [{ kid: entry.kid ?? null, key, algorithms }] : [];
  }
}

/** jwks-rsa's own request waits without limit for a server that sends slowly, and reads an answer of any size. */
async function fetchKeySet(url: string, limits: JwksLimits): Promise<{ keys: unknown[] }> {
  const response = await fetch(url, {
    headers: { accept: 'application/jwk-set+json, application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(limits.timeoutMs),
  });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new Error(`the JWKS endpoint answered ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > limits.maxBytes) throw new Error(`the JWKS endpoint sent more than ${limits.maxBytes} bytes`);
    chunks.push(chunk);
  }
  const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  if (typeof parsed !== 'object' || parsed === null || !('keys' in parsed) || !Array.isArray(parsed.keys)) {
    throw new Error('the JWKS endpoint did not send a key set');
  }
  return { keys: parsed.keys };
}
