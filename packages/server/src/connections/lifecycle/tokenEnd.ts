import { CLOCK_TOLERANCE_S, type Identity } from '../../auth/tokenVerifier.js';
import type { Amendment } from '../../registry/store/amendment.js';
import type { Settings } from '../../settings/settings.js';

/** The end of a token, wall-clock ms. */
export interface TokenEnd {
  /** When the client gets token_expiring. */
  readonly noticeAt: number;
  /** The end that token_expiring names. */
  readonly endsAt: number;
  /** When the connection is closed with 4101, unless a new token comes first. */
  readonly closeAt: number;
}

/** The settings of the end of a token. */
export type TokenTimes = Pick<Settings, 'tokenNoticeMs' | 'tokenGraceMs'>;

/** The end of a connection's token: its expiry, or an earlier end by permissions-changed. */
export function tokenEnd(
  token: Identity,
  { renewal }: Amendment,
  { tokenNoticeMs, tokenGraceMs }: TokenTimes,
): TokenEnd {
  const endsAt = token.expiresAt * 1000;
  const lifetimeMs = (token.expiresAt - token.issuedAt) * 1000;
  const own: TokenEnd = {
    // With a fixed notice, a token that lives shorter than the notice would be replaced as soon as it came, and so would the next one.
    noticeAt: endsAt - Math.min(tokenNoticeMs, Math.max(0, lifetimeMs / 2)),
    endsAt,
    // Tokens are accepted at connect for this long after their end. With a shorter grace, connections would be accepted and closed in turn.
    closeAt: endsAt + Math.max(tokenGraceMs, CLOCK_TOLERANCE_S * 1000),
  };
  if (renewal === null || own.closeAt <= renewal.by) return own;
  return { noticeAt: renewal.since, endsAt: Math.min(renewal.since, endsAt), closeAt: renewal.by };
}

/**
 * The end after `refresh_token`, whose reply already had `expires_at`. If the issuer returns the same token until it ends, the client must
 * not refresh in a loop: the next notice comes half-way to the end, so each refresh is closer to it.
 */
export function afterRefresh(end: TokenEnd, now: number): TokenEnd {
  return end.noticeAt > now ? end : { ...end, noticeAt: now + Math.max(0, end.closeAt - now) / 2 };
}

/** Until when a connection's token is valid, RFC 3339: its expiry, or an earlier end by permissions-changed. */
export function expiryOf({ token, amendment }: { token: Identity | null; amendment: Amendment }): string {
  const end = (token?.expiresAt ?? 0) * 1000;
  return new Date(Math.min(end, amendment.renewal?.since ?? end)).toISOString();
}
