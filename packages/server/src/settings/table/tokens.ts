import { ALGORITHMS, type Algorithm } from '../../auth/algorithms.js';
import { boolean, integer, list, optionalText } from '../entry.js';

/** Keys, what a token must hold, and how long it is good for. */
export const TOKENS = [
  list('JWT_SECRET', {
    section: 'Tokens',
    secret: true,
    items: { minLength: 1 },
    allowed: 'one or more texts without commas, comma-separated; in production each of at least 32 bytes',
    default: [],
    meaning:
      'Secrets for the HS algorithms, newest first: the first signs, all verify. When no key is configured at all, a development secret that everybody knows stands in, outside production and on a loopback `HOST` alone.',
  }),
  boolean('ALLOW_DEVELOPMENT_SECRET', {
    section: 'Tokens',
    default: false,
    meaning:
      'Lets a node that other machines can reach trust the development secret. Whoever reaches the port is then an admin if he likes; never in production.',
  }),
  optionalText('JWT_PUBLIC_KEY', {
    section: 'Tokens',
    schema: { minLength: 1 },
    allowed: 'PEM text or the path of a PEM file, with one or more RSA (2048 bits or more), RSA-PSS or EC public keys',
    meaning: 'Public keys for the RS, PS and ES algorithms (no EdDSA: `jsonwebtoken` does not implement it).',
  }),
  optionalText('JWT_JWKS_URL', {
    section: 'Tokens',
    schema: { format: 'http-url' },
    allowed: 'an http:// or https:// URL without user and password',
    meaning:
      'Key set of the issuer, for the RS, PS and ES algorithms; needs `JWT_ISSUER` and excludes `JWT_PUBLIC_KEY`.',
  }),
  optionalText('JWT_ISSUER', {
    section: 'Tokens',
    schema: { maxLength: 512 },
    allowed: 'a text of up to 512 characters',
    meaning: 'Required value of the `iss` claim; not checked when unset, compulsory in production.',
  }),
  list('JWT_AUDIENCE', {
    section: 'Tokens',
    items: { maxLength: 512 },
    allowed: 'texts of up to 512 characters, comma-separated',
    default: [],
    meaning:
      'Accepted values of the `aud` claim, one of which must be there; not checked when unset, compulsory in production.',
  }),
  list<'JWT_ALGORITHMS', Algorithm>('JWT_ALGORITHMS', {
    section: 'Tokens',
    items: { enum: ALGORITHMS },
    allowed: `any of ${ALGORITHMS.join(', ')}, comma-separated`,
    default: ALGORITHMS,
    meaning: 'Accepted signature algorithms; each key verifies those of them that fit its kind, and no other.',
  }),
  integer('MAX_TOKEN_AGE_MS', {
    section: 'Tokens',
    min: 60_000,
    max: 31_536_000_000,
    // A week is a common life of tokens that apps keep, a month about the longest.
    default: 2_592_000_000,
    meaning:
      'How long it is remembered what was said of tokens (revocations, `permissions-changed`), in milliseconds. Set it longer than your longest token lives: one that outlives it comes back to life.',
  }),
  integer('TOKEN_NOTICE_MS', {
    section: 'Tokens',
    min: 100,
    max: 3_600_000,
    default: 60_000,
    meaning:
      'How long before the end of its token a connection is told (`token_expiring`), in milliseconds; at most half of the life of the token.',
  }),
  integer('TOKEN_GRACE_MS', {
    section: 'Tokens',
    min: 100,
    max: 3_600_000,
    default: 30_000,
    meaning:
      'Time that a connection has to bring a new token (`refresh_token`) after its own has ended, in milliseconds; then it is closed with 4101. After the `exp` of a token it is never less than the 5 seconds that clocks may differ by.',
  }),
] as const;
