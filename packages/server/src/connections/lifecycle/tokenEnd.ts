import { CLOCK_TOLERANCE_S, type Identity } from '../../auth/tokenVerifier.js';
import type { Amendment } from '../../registry/store/amendment.js';
import type { Settings } from '../../settings/settings.js';

/** When a token ends, wall-clock ms. */
export interface TokenEnd {
  /** When the connection is told. */
  readonly noticeAt: number;
  /** What it is told. */
  readonly endsAt: number;
  /** When it is closed with 4101 unless a new token comes before. */
  readonly closeAt: number;
}

/** The settings of the end of a token. */
export type TokenTimes = Pick<Settings, 'tokenNoticeMs' | 'tokenGraceMs'>;

/** When a connection's token ends: by itself, or before that because it was declared out of date (permissions-changed). */
export function tokenEnd(
  token: Identity,
  { renewal }: Amendment,
  { tokenNoticeMs, tokenGraceMs }: TokenTimes,
): TokenEnd {
  const endsAt = token.expiresAt * 1000;
  const lifetimeMs = (token.expiresAt - token.issuedAt) * 1000;
  const own: TokenEnd = {
    // A token that lives shorter than the notice would be replaced the moment it came, and so would the next one.
    noticeAt: endsAt - Math.min(tokenNoticeMs, Math.max(0, lifetimeMs / 2)),
    endsAt,
    // At connect it is taken for so long after its end: a shorter grace would have it let in and thrown out in turn.
    closeAt: endsAt + Math.max(tokenGraceMs, CLOCK_TOLERANCE_S * 1000),
  };
  if (renewal === null || own.closeAt <= renewal.by) return own;
  return { noticeAt: renewal.since, endsAt: Math.min(renewal.since, endsAt), closeAt: renewal.by };
}

/**
 * The same after `refresh_token`, whose reply has told `expires_at`. An issuer that hands out one token until it ends would have
 * the client refresh in a circle: the next notice comes half-way to the end, at each refresh closer to it.
 */
export function afterRefresh(end: TokenEnd, now: number): TokenEnd {
  return end.noticeAt > now ? end : { ...end, noticeAt: now + Math.max(0, end.closeAt - now) / 2 };
}

/** Until when a connection's token is good, RFC 3339: its own end, or when it was declared out of date. */
export function expiryOf({ token, amendment }: { token: Identity | null; amendment: Amendment }): string {
  const end = (token?.expiresAt ?? 0) * 1000;
  return new Date(Math.min(end, amendment.renewal?.since ?? end)).toISOString();
}
