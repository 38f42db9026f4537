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

/** Keys, required claims, and the life of tokens. */
export const TOKENS = [
  list('JWT_SECRET', {
    section: 'Tokens',
    secret: true,
    items: { minLength: 1 },
    allowed: 'one or more texts without commas, comma-separated; in production each of at least 32 bytes',
    default: [],
    meaning:
      'Secrets for the HS algorithms, newest first: the first signs, all verify. If no key is configured at all, a publicly known development secret is used, but only outside production and on a loopback `HOST`.',
  }),
  boolean('ALLOW_DEVELOPMENT_SECRET', {
    section: 'Tokens',
    default: false,
    meaning:
      'Allows the development secret on a node that other machines can reach. Everybody who reaches the port can then act as an admin. Never in production.',
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
    meaning: 'Required value of the `iss` claim; not checked if unset, required in production.',
  }),
  list('JWT_AUDIENCE', {
    section: 'Tokens',
    items: { maxLength: 512 },
    allowed: 'texts of up to 512 characters, comma-separated',
    default: [],
    meaning:
      'Accepted values of the `aud` claim; a token needs one of them; not checked if unset, required in production.',
  }),
  list<'JWT_ALGORITHMS', Algorithm>('JWT_ALGORITHMS', {
    section: 'Tokens',
    items: { enum: ALGORITHMS },
    allowed: `any of ${ALGORITHMS.join(', ')}, comma-separated`,
    default: ALGORITHMS,
    meaning: 'Accepted signature algorithms; each key verifies only those that fit its kind.',
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
      'Claim with the name to show; without it the user id is shown. Keycloak and Entra ID: `preferred_username`.',
  }),
  list('JWT_ROLES_CLAIM', {
    section: 'Tokens',
    ...CLAIMS,
    default: DEFAULT_CLAIM_NAMES.roles,
    meaning:
      'Claims with the roles; all count. A claim is a list, or (unless it is `roles`) a text with one role. Keycloak: `realm_access.roles`; Auth0: a namespaced claim such as `https://example.com/roles`. If unset, `role` and `is_admin` are read where `roles` is missing.',
  }),
  list('JWT_PERMISSIONS_CLAIM', {
    section: 'Tokens',
    ...CLAIMS,
    default: DEFAULT_CLAIM_NAMES.permissions,
    meaning:
      'Claims with permissions besides those of the roles; all count. A claim is a list or a text; a text of `scope` or `scp` separates them by blanks.',
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
      'The most that a token may grant. Roles and permissions beyond it are ignored and logged; the token stays valid for the others. A role brings everything that the catalogue gives it.',
  }),
  optionalText('JWT_ISSUERS', {
    section: 'Tokens',
    schema: { minLength: 1 },
    allowed: 'the path of a JSON file with a list of issuers (see OPERATIONS.md)',
    meaning:
      'More issuers, each with its own keys, audience, claim names and limit of grants; the settings above hold only for `JWT_ISSUER`.',
  }),
  boolean('TOKEN_IN_QUERY', {
    section: 'Tokens',
    default: true,
    meaning:
      'Whether `?token=` in the URL of an upgrade is accepted. URLs appear in the logs of proxies, but clients of the legacy endpoints often know no other way.',
  }),
  integer('MAX_TOKEN_AGE_MS', {
    section: 'Tokens',
    min: 60_000,
    max: 31_536_000_000,
    // A week is a common life of the tokens that apps keep; about a month is the longest.
    default: 2_592_000_000,
    meaning:
      'How long revocations and `permissions-changed` are remembered, in milliseconds. Set it longer than the life of your longest token: a revoked token that lives longer becomes valid again.',
  }),
  integer('TOKEN_NOTICE_MS', {
    section: 'Tokens',
    min: 100,
    max: 3_600_000,
    default: 60_000,
    meaning:
      'How long before the end of its token a connection gets `token_expiring`, in milliseconds; at most half of the life of the token.',
  }),
  integer('TOKEN_GRACE_MS', {
    section: 'Tokens',
    min: 100,
    max: 3_600_000,
    default: 30_000,
    meaning:
      'Time for `refresh_token` after the token of a connection has ended, in milliseconds; then the connection is closed with 4101. Never less than 5 seconds after `exp`, because clocks may differ by that.',
  }),
] as const;
