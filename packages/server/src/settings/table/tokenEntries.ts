import { ALGORITHMS, type Algorithm } from '../../auth/algorithms.js';
import { DEFAULT_CLAIM_NAMES } from '../../auth/claimNames.js';
import { boolean, integer, list, optionalText, text } from './entry.js';

const CLAIM = {
  schema: { pattern: '^[^\\u0000-\\u001f]{1,256}$' },
  allowed: 'the name of a claim, or a path into nested ones',
};
const CLAIMS = {
  items: CLAIM.schema,
  allowed: 'names of claims, or paths into nested ones, comma-separated',
};

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
  text('JWT_USER_CLAIM', {
    section: 'Tokens',
    ...CLAIM,
    default: DEFAULT_CLAIM_NAMES.user,
    meaning:
      'Claim with the user id: its name, or a path into nested claims (`a.b`); a claim of exactly that name wins, so names with dots need no escape. Entra ID: `oid`.',
  }),
  text('JWT_USERNAME_CLAIM', {
    section: 'Tokens',
    ...CLAIM,
    default: DEFAULT_CLAIM_NAMES.username,
    meaning:
      'Claim with the name that is shown; without it the user id is. Keycloak and Entra ID: `preferred_username`.',
  }),
  list('JWT_ROLES_CLAIM', {
    section: 'Tokens',
    ...CLAIMS,
    default: DEFAULT_CLAIM_NAMES.roles,
    meaning:
      'Claims with the roles, all of which count: lists, or (unless it is `roles`) a text with one. Keycloak: `realm_access.roles`; Auth0: a namespaced claim such as `https://example.com/roles`. Unless set, `role` and `is_admin` stand in for `roles`.',
  }),
  list('JWT_PERMISSIONS_CLAIM', {
    section: 'Tokens',
    ...CLAIMS,
    default: DEFAULT_CLAIM_NAMES.permissions,
    meaning:
      'Claims with permissions besides those of the roles, all of which count: lists, or a text; a text of `scope` or `scp` lists them between blanks.',
  }),
  text('JWT_SESSION_CLAIM', {
    section: 'Tokens',
    ...CLAIM,
    default: DEFAULT_CLAIM_NAMES.session,
    meaning: 'Claim with the session, for revocation by session and for the security log.',
  }),
  list('JWT_GRANTS', {
    section: 'Tokens',
    items: { maxLength: 128, pattern: '^(?:[^*\\u0000-\\u001f]+\\*?|\\*)$' },
    allowed:
      'permissions such as events:publish and roles such as role:viewer, either with a * at the end, or * for all',
    default: ['*'],
    meaning:
      'The most that a token may grant. What it asks for beyond it is refused and logged, and it is good for the rest. A role brings all that the catalogue gives it.',
  }),
  optionalText('JWT_ISSUERS', {
    section: 'Tokens',
    schema: { minLength: 1 },
    allowed: 'the path of a JSON file with a list of issuers (see OPERATIONS.md)',
    meaning:
      'Further issuers, each with keys, audience, claim names and a cap of its own; the settings above are those of `JWT_ISSUER` alone.',
  }),
  boolean('TOKEN_IN_QUERY', {
    section: 'Tokens',
    default: true,
    meaning:
      'Whether `?token=` in the URL of an upgrade is taken. URLs stand in the logs of proxies; clients of the legacy endpoints often know no other way.',
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
