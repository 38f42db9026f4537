import { authError } from './reasons.js';

/** Who a verified token speaks for. Times in seconds since the epoch. */
export interface Identity {
  /** The token's `sub`. */
  readonly userId: string;
  /** The token's `username`, else its `sub`. */
  readonly username: string;
  readonly roles: readonly string[];
  /** The token's own `permissions`, besides those of its roles. */
  readonly permissions: readonly string[];
  /** The session, for revocation by session. */
  readonly sid: string | null;
  readonly jti: string | null;
  /** The token's `iat`; 0 when it has none, so that every revoke-before hits it. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** How far the issuer's clock may be from ours, in seconds: a token is taken this much before its start and after its end. */
export const CLOCK_TOLERANCE_S = 5;

const MAX_ID_BYTES = 128;
const MAX_USERNAME_BYTES = 256;
const MAX_NAME_BYTES = 64;
const MAX_ROLES = 32;
const MAX_PERMISSIONS = 64;

export type Claims = Readonly<Record<string, unknown>>;

export interface ClaimRules {
  /** Required `iss`; null: not checked. */
  readonly issuer: string | null;
  /** One of these must be in `aud`; empty: not checked. */
  readonly audience: readonly string[];
}

/**
 * Judges the claims of a token whose signature is good.
 *
 * @param nowS seconds since the epoch.
 * @throws AppError with the reason; of several the first in this order: form, issuer, audience, use, time.
 */
export function identityOf(claims: Claims, rules: ClaimRules, nowS: number): Identity {
  const userId = requiredText(claims, 'sub', MAX_ID_BYTES);
  const expiresAt = requiredTime(claims, 'exp');
  const issuedAt = time(claims, 'iat') ?? 0;
  const notBefore = time(claims, 'nbf') ?? 0;
  const identity: Identity = {
    userId,
    username: optionalText(claims, 'username', MAX_USERNAME_BYTES) ?? userId,
    roles: rolesOf(claims),
    permissions: names(claims, 'permissions', MAX_PERMISSIONS) ?? [],
    sid: optionalText(claims, 'sid', MAX_ID_BYTES),
    jti: optionalText(claims, 'jti', MAX_ID_BYTES),
    issuedAt,
    expiresAt,
  };
  if (rules.issuer !== null && claims.iss !== rules.issuer) throw authError('wrong_issuer');
  if (rules.audience.length > 0 && !hasAudience(claims, rules.audience)) throw authError('wrong_audience');
  if (!isAccessToken(claims)) throw authError('wrong_token_use');
  if (nowS >= expiresAt + CLOCK_TOLERANCE_S) throw authError('expired');
  // A token "issued" in the future would outlive a revocation by time.
  if (Math.max(notBefore, issuedAt) > nowS + CLOCK_TOLERANCE_S) throw authError('not_yet_valid');
  return identity;
}

/** `roles`, else `role`, else `is_admin`, the first that is there; a token that says nothing of the kind is a plain user's. */
function rolesOf(claims: Claims): readonly string[] {
  const roles = names(claims, 'roles', MAX_ROLES);
  if (roles !== null) return roles;
  const role = optionalText(claims, 'role', MAX_NAME_BYTES);
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
 * Refresh, identity and temporary tokens carry the same signature, and have let people in elsewhere. `token_use` is the
 * claim to use; the predecessor marks them `type: "refresh"` and `temp: true` (before the second factor), Keycloak by `typ`.
 */
function isAccessToken(claims: Claims): boolean {
  if ((claims.token_use ?? 'access') !== 'access') return false;
  if (claims.temp) return false;
  return ![claims.type, claims.typ].some((kind) => typeof kind === 'string' && OTHER_USES.has(kind.toLowerCase()));
}

const OTHER_USES: ReadonlySet<string> = new Set(['refresh', 'offline', 'id', 'temporary', 'temp', 'logout']);

function requiredText(claims: Claims, claim: string, maxBytes: number): string {
  const value = optionalText(claims, claim, maxBytes);
  if (value === null) throw invalid(claim);
  return value;
}

/** Null counts as absent: some issuers write it. */
function optionalText(claims: Claims, claim: string, maxBytes: number): string | null {
  const value = claims[claim] ?? null;
  if (value === null) return null;
  if (!isText(value, maxBytes)) throw invalid(claim);
  return value;
}

function names(claims: Claims, claim: string, max: number): readonly string[] | null {
  const value = claims[claim] ?? null;
  if (value === null) return null;
  if (!Array.isArray(value) || value.length > max) throw invalid(claim);
  if (!value.every((name) => isText(name, MAX_NAME_BYTES))) throw invalid(claim);
  return [...new Set(value as string[])];
}

/** A lone surrogate becomes U+FFFD as UTF-8: two users would share one key in Redis. */
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

/** End of the year 9999. A larger `exp` is one in milliseconds by mistake, and the token would live for ever. */
const MAX_TIME_S = 253_402_300_799;

function invalid(claim: string): Error {
  return authError('invalid_claims', { claim });
}
