import { authError } from './authReasons.js';
import { type ClaimNames, claimAt, DEFAULT_CLAIM_NAMES, isListedText } from './claimNames.js';
import type { GrantCap } from './grantCap.js';
import type { TokenClock } from './tokenClock.js';

/** The bearer of a verified token. Times in seconds since the epoch. */
export interface Identity {
  /** The token's `sub`, or the claim that JWT_USER_CLAIM names. */
  readonly userId: string;
  /** The token's `username`, else its user id. */
  readonly username: string;
  readonly roles: readonly string[];
  /** The token's own `permissions`, besides those of its roles. */
  readonly permissions: readonly string[];
  /** The session, for revocation by session. */
  readonly sid: string | null;
  readonly jti: string | null;
  /** Identifies the token in the log: two lines about the same token match, and the value cannot be used to log in. */
  readonly tokenId: string;
  /** The token's `iat`; 0 when it has none, so that every revoke-before voids it. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** The issuer that the token names; null: none. */
  readonly issuer: string | null;
  /** What the token asked for beyond the cap of its issuer and was not granted: `role:admin`, `admin:queue`. */
  readonly refused: readonly string[];
}

/** How far the issuer's clock may differ from ours, in seconds: a token is accepted this long before its start and after its end. */
export const CLOCK_TOLERANCE_S = 5;

const MAX_ID_BYTES = 128;
const MAX_USERNAME_BYTES = 256;
/** Entra ID's app roles have up to 120 characters. */
const MAX_NAME_BYTES = 128;
/** Directories put a user's groups and client roles here; the size of the whole token is limited too (MAX_TOKEN_BYTES). */
const MAX_NAMES = 200;

export type Claims = Readonly<Record<string, unknown>>;

export interface ClaimRules {
  /** Required `iss`; null: not checked. */
  readonly issuer: string | null;
  /** One of these must be in `aud`; empty: not checked. */
  readonly audience: readonly string[];
  /** Where the issuer writes these claims; default: the names in our own tokens. */
  readonly names?: ClaimNames;
  /** Prefix of its user ids; default: none. */
  readonly userPrefix?: string;
  /** The most its tokens may grant; absent: everything. */
  readonly cap?: GrantCap;
}

/**
 * Checks the claims of a token whose signature is valid.
 *
 * @throws AppError with the reason; if there are several, the first in this order: form, issuer, audience, use, time.
 */
export function identityOf(
  claims: Claims,
  rules: ClaimRules,
  clock: TokenClock,
  tokenId = '',
): { readonly identity: Identity; readonly validity: Validity } {
  const names = rules.names ?? DEFAULT_CLAIM_NAMES;
  const subject = requiredText(claims, 'sub', names.user, MAX_ID_BYTES);
  const userId = rules.userPrefix ? rules.userPrefix + subject : subject;
  if (!isText(userId, MAX_ID_BYTES)) throw invalid('sub');
  const expiresAt = requiredTime(claims, 'exp');
  const issuedAt = time(claims, 'iat') ?? 0;
  const validity = { from: Math.max(issuedAt, time(claims, 'nbf') ?? 0), until: expiresAt };
  const roles = rolesOf(claims, names.roles);
  const permissions = union(claims, 'permissions', names.permissions) ?? [];
  const { cap } = rules;
  const identity: Identity = {
    userId,
    username: optionalText(claims, 'username', names.username, MAX_USERNAME_BYTES) ?? userId,
    // That a token without roles is a plain user's is our rule, not the issuer's.
    roles: cap && roles !== USER ? cap.roles(roles) : roles,
    permissions: cap ? cap.permissions(permissions) : permissions,
    sid: optionalText(claims, 'sid', names.session, MAX_ID_BYTES),
    jti: optionalText(claims, 'jti', 'jti', MAX_ID_BYTES),
    tokenId,
    issuedAt,
    expiresAt,
    issuer: typeof claims.iss === 'string' ? claims.iss : null,
    refused: cap ? cap.refused(roles === USER ? [] : roles, permissions) : [],
  };
  if (rules.issuer !== null && claims.iss !== rules.issuer) throw authError('wrong_issuer');
  if (rules.audience.length > 0 && !hasAudience(claims, rules.audience)) throw authError('wrong_audience');
  if (!isAccessToken(claims)) throw authError('wrong_token_use');
  const fault = timeFault(validity, clock);
  if (fault !== null) throw authError(fault);
  return { identity, validity };
}

/** When a token is valid, seconds since the epoch. */
export interface Validity {
  /** Its `nbf`, or its `iat` when that is later: a token "issued" in the future would outlive a revocation by time. */
  readonly from: number;
  readonly until: number;
}

/** Null: the time is right. */
export function timeFault({ from, until }: Validity, clock: TokenClock): 'expired' | 'not_yet_valid' | null {
  if (Math.floor(clock.earliest() / 1000) >= until + CLOCK_TOLERANCE_S) return 'expired';
  return from > Math.floor(clock.latest() / 1000) + CLOCK_TOLERANCE_S ? 'not_yet_valid' : null;
}

/**
 * `roles`, else `role`, else `is_admin`, whichever is present first; a token without any of them is a plain user's. When settings
 * name the claims of an issuer, only those claims are read: its other claims may mean something else.
 */
function rolesOf(claims: Claims, paths: readonly string[]): readonly string[] {
  const roles = union(claims, 'roles', paths);
  if (roles !== null) return roles;
  if (!isOwn(paths)) return USER;
  const role = optionalText(claims, 'role', 'role', MAX_NAME_BYTES);
  if (role !== null) return [role];
  const isAdmin = claims.is_admin ?? false;
  if (typeof isAdmin !== 'boolean') throw invalid('is_admin');
  return isAdmin ? ADMIN : USER;
}

const ADMIN: readonly string[] = Object.freeze(['admin']);
const USER: readonly string[] = Object.freeze(['user']);

function hasAudience(claims: Claims, accepted: readonly string[]): boolean {
  const { aud } = claims;
  return (Array.isArray(aud) ? aud : [aud]).some((one) => accepted.includes(one as string));
}

/**
 * Refresh, identity and temporary tokens have the same kind of signature, and have been accepted by mistake elsewhere. `token_use` is the
 * claim to use; the former server marks them `type: "refresh"` and `temp: true` (before the second factor), Keycloak by `typ`.
 */
function isAccessToken(claims: Claims): boolean {
  if ((claims.token_use ?? 'access') !== 'access') return false;
  if (claims.temp) return false;
  return ![claims.type, claims.typ].some((kind) => typeof kind === 'string' && OTHER_USES.has(kind.toLowerCase()));
}

const OTHER_USES: ReadonlySet<string> = new Set(['refresh', 'offline', 'id', 'temporary', 'temp', 'logout']);

/** @param claim its name in errors: the name in our own tokens. */
function requiredText(claims: Claims, claim: string, path: string, maxBytes: number): string {
  const value = optionalText(claims, claim, path, maxBytes);
  if (value === null) throw invalid(claim);
  return value;
}

/** Null counts as absent: some issuers write it. */
function optionalText(claims: Claims, claim: string, path: string, maxBytes: number): string | null {
  const value = claimAt(claims, path);
  if (value === null) return null;
  if (!isText(value, maxBytes)) throw invalid(claim);
  return value;
}

/** The names at all these places; null when none of the places exists. */
function union(claims: Claims, claim: string, paths: readonly string[]): readonly string[] | null {
  let found: string[] | null = null;
  for (const path of paths) {
    const value = claimAt(claims, path);
    if (value === null) continue;
    const list = typeof value === 'string' && !isOwn(paths) ? namesIn(value, path) : value;
    if (!Array.isArray(list) || !list.every((name) => isText(name, MAX_NAME_BYTES))) throw invalid(claim);
    found = found === null ? list : [...found, ...list];
    if (found.length > MAX_NAMES) throw invalid(claim);
  }
  return found && [...new Set(found)];
}

/** Whether these are the names of our own tokens, where all has one form. */
function isOwn(paths: readonly string[]): boolean {
  const [path] = paths;
  return paths.length === 1 && (path === 'roles' || path === 'permissions');
}

/** `scope` (RFC 8693 §4.2) and Entra ID's `scp` separate names by blanks; elsewhere a text is one name, from an issuer that writes no list for a single name. */
function namesIn(text: string, path: string): string[] {
  return isListedText(path) ? text.split(' ').filter((name) => name !== '') : [text];
}

/** UTF-8 turns a lone surrogate into U+FFFD: two users would share one key in Redis. */
function isText(value: unknown, maxBytes: number): value is string {
  if (typeof value !== 'string' || value === '' || value.length > maxBytes) return false;
  return Buffer.byteLength(value, 'utf8') <= maxBytes && !/\p{Surrogate}/u.test(value);
}

function requiredTime(claims: Claims, claim: string): number {
  const value = time(claims, claim);
  if (value === null) throw invalid(claim);
  return value;
}

/** NumericDate of RFC 7519: seconds, perhaps with a fraction. */
function time(claims: Claims, claim: string): number | null {
  const value = claims[claim] ?? null;
  if (value === null) return null;
  if (typeof value !== 'number' || value < 0 || !(value <= MAX_TIME_S)) throw invalid(claim);
  return Math.floor(value);
}

/** End of the year 9999. A larger `exp` is in milliseconds by mistake, and the token would never expire. */
const MAX_TIME_S = 253_402_300_799;

function invalid(claim: string): Error {
  return authError('invalid_claims', { claim });
}
