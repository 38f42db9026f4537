import type { KeyObject } from 'node:crypto';

/** `jsonwebtoken` 9 has no EdDSA: an Ed25519 or Ed448 key is refused at start, or skipped in a key set. */
export const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'] as const;
export const PUBLIC_KEY_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
] as const;
export const ALGORITHMS = [...SECRET_ALGORITHMS, ...PUBLIC_KEY_ALGORITHMS] as const;

export type Algorithm = (typeof ALGORITHMS)[number];

const CURVES: ReadonlyMap<string, Algorithm> = new Map([
  ['prime256v1', 'ES256'],
  ['secp384r1', 'ES384'],
  ['secp521r1', 'ES512'],
]);

/** RFC 7518 §3.3 and §3.5: a smaller modulus must not be used. */
export const MIN_RSA_BITS = 2048;

/**
 * The algorithms that this key may verify; none for an unsupported kind, curve or size. The key decides, not
 * the token's header: otherwise a token "signed" by HMAC with the public key's text would pass.
 */
export function algorithmsOf(key: KeyObject): readonly Algorithm[] {
  if (key.type === 'secret') return SECRET_ALGORITHMS;
  if (key.type !== 'public') return [];
  const details = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return bigEnough(details) ? ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] : [];
    case 'rsa-pss': {
      const all = ['PS256', 'PS384', 'PS512'] as const;
      if (!bigEnough(details)) return [];
      // A PSS key may carry its hash; it then verifies no other.
      return details.hashAlgorithm ? all.filter((name) => details.hashAlgorithm === `sha${name.slice(2)}`) : all;
    }
    case 'ec': {
      const algorithm = CURVES.get(details.namedCurve ?? '');
      return algorithm ? [algorithm] : [];
    }
    default:
      return [];
  }
}

function bigEnough(details: { modulusLength?: number }): boolean {
  return (details.modulusLength ?? 0) >= MIN_RSA_BITS;
}
