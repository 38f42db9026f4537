import type { Identity } from '../../auth/tokenVerifier.js';

/**
 * What an order of `permissions-changed` changes in a token issued before it, as the scripts return it. A token issued
 * after the order is not changed.
 */
export interface Amendment {
  /** Replace the token's roles; null: the token's roles hold. */
  readonly roles: readonly string[] | null;
  /** Replace the token's own permissions; null: the token's hold. */
  readonly permissions: readonly string[] | null;
  /** The token must be replaced by a newer one: since when, and when the connection ends without it (wall-clock ms). */
  readonly renewal: { readonly since: number; readonly by: number } | null;
}

/** A token without an order: nearly every one. */
export const NO_AMENDMENT: Amendment = Object.freeze({ roles: null, permissions: null, renewal: null });

/** Reads {roles (JSON or ''), permissions (JSON or ''), stale_at, stale_by (ms, 0 = not)} of claim.lua and reconcile.lua. */
export function parseAmendment(raw: unknown): Amendment {
  const [roles = '', permissions = '', since = '0', by = '0'] = raw as readonly string[];
  if (roles === '' && permissions === '' && by === '0') return NO_AMENDMENT;
  return {
    roles: roles === '' ? null : (JSON.parse(roles) as string[]),
    permissions: permissions === '' ? null : (JSON.parse(permissions) as string[]),
    renewal: by === '0' ? null : { since: Number(since), by: Number(by) },
  };
}

/** A token with its amendment applied. */
export function amended(token: Identity, { roles, permissions }: Amendment): Identity {
  if (roles === null && permissions === null) return token;
  return { ...token, roles: roles ?? token.roles, permissions: permissions ?? token.permissions };
}
