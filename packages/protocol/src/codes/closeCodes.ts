/** Close codes of this protocol. Framing errors keep the codes of RFC 6455 (1002, 1003, 1007, 1009). */
export const CLOSE = {
  SUPERSEDED: 4001,
  DISCONNECTED_BY_ADMIN: 4002,
  BANNED: 4003,
  TOO_MANY_ERRORS: 4008,
  PROTOCOL_VIOLATION: 4009,
  ALREADY_CONNECTED: 4010,
  AUTH_FAILED: 4100,
  TOKEN_EXPIRED: 4101,
  TOKEN_REVOKED: 4102,
  AUTH_TIMEOUT: 4103,
  DRAINING: 4200,
  TOO_SLOW: 4201,
  NO_PONG: 4202,
  CONNECTION_LIMIT: 4203,
  RATE_LIMIT: 4204,
  LEASE_LOST: 4205,
  NEWER_ATTEMPT: 4206,
  UNAVAILABLE: 4207,
} as const;

type CloseName = keyof typeof CLOSE;
export type CloseCode = (typeof CLOSE)[CloseName];

/** What a client does after the close: stay away, fetch a new token first, or come back with full-jitter backoff. */
export type ReconnectPolicy = 'never' | 'new_token' | 'backoff';

/** One close code. `reason` is the text of the close frame (a more exact text may replace it), `meaning` is for the docs. */
export interface CloseCodeDefinition {
  readonly code: CloseCode;
  readonly name: CloseName;
  readonly reason: string;
  readonly meaning: string;
  readonly reconnect: ReconnectPolicy;
}

/** A close frame carries at most 125 bytes, two of them the code (RFC 6455 §5.5). */
export const MAX_CLOSE_REASON_BYTES = 123;

/** What a client does after `code`. It depends on the range alone, so that present clients also handle codes that are added later. */
export function reconnectPolicy(code: number): ReconnectPolicy {
  if (code >= 4000 && code <= 4099) return 'never';
  if (code >= 4100 && code <= 4199) return 'new_token';
  // Framing errors count like 4009: the same client would make the same mistake again.
  if (code === 1002 || code === 1003 || code === 1007 || code === 1009) return 'never';
  return 'backoff';
}

const TEXTS: Readonly<Record<CloseName, { readonly reason: string; readonly meaning: string }>> = {
  SUPERSEDED: {
    reason: 'superseded by a newer connection',
    meaning: 'The user connected again, on this node or another one. The newest connection wins.',
  },
  DISCONNECTED_BY_ADMIN: {
    reason: 'disconnected by an administrator',
    meaning: 'An administrator closed the connection. The reason is the text that the administrator gave, if any.',
  },
  BANNED: { reason: 'banned', meaning: 'The user is banned and cannot connect until the ban ends.' },
  TOO_MANY_ERRORS: {
    reason: 'too many errors',
    meaning: 'The client sent MAX_CONSECUTIVE_ERRORS bad messages in a row.',
  },
  PROTOCOL_VIOLATION: {
    reason: 'protocol violation',
    meaning:
      'A message broke a limit of this protocol (such as the number of fragments), or is not allowed in this state.',
  },
  ALREADY_CONNECTED: {
    reason: 'already connected elsewhere',
    meaning: 'CONNECTION_POLICY is `reject`, and the present connection of the user has answered a ping.',
  },
  AUTH_FAILED: {
    reason: 'authentication failed',
    meaning: 'The token is missing or malformed, its signature is wrong, or it is for another service.',
  },
  TOKEN_EXPIRED: { reason: 'token expired', meaning: 'The token has expired, at connect or while connected.' },
  TOKEN_REVOKED: {
    reason: 'token revoked',
    meaning: 'The token, its session, or all tokens of the user were revoked.',
  },
  AUTH_TIMEOUT: {
    reason: 'authentication timed out',
    meaning: 'No `authenticate` message came within AUTH_TIMEOUT_MS.',
  },
  DRAINING: {
    reason: 'server draining',
    meaning: 'The node is shutting down. The reason carries the delay after which to reconnect.',
  },
  TOO_SLOW: {
    reason: 'too slow',
    meaning: 'The client read too slowly for too long. Because it does not read, it may see 1006 instead.',
  },
  NO_PONG: { reason: 'no pong', meaning: 'The client sent nothing for PING_TIMEOUT_MS after a ping.' },
  CONNECTION_LIMIT: {
    reason: 'connection limit',
    meaning:
      'The node has more connects than it takes at a time. Or CONNECTION_POLICY is `reject`, and the server is checking whether the present connection of the user is alive. The reason carries the delay after which to reconnect.',
  },
  RATE_LIMIT: {
    reason: 'rate limit',
    meaning: 'The client exceeded the message rate after a warning, or sent too many pings and pongs.',
  },
  LEASE_LOST: {
    reason: 'node lost its lease',
    meaning: 'The node lost its right to deliver while the connection was being established.',
  },
  NEWER_ATTEMPT: {
    reason: 'replaced by a newer attempt of the same client',
    meaning: 'The same client instance connected again.',
  },
  UNAVAILABLE: { reason: 'unavailable', meaning: 'Redis is not available, so the connection cannot be established.' },
};

/** Every close code, ascending. The docs and the SDK are made from this table. */
export const closeCodes: readonly CloseCodeDefinition[] = (Object.keys(CLOSE) as CloseName[])
  .map((name) => ({ code: CLOSE[name], name, ...TEXTS[name], reconnect: reconnectPolicy(CLOSE[name]) }))
  .sort((a, b) => a.code - b.code);

const REASONS: ReadonlyMap<CloseCode, string> = new Map(closeCodes.map(({ code, reason }) => [code, reason]));

/** The short text for the close frame of `code`; always fits. */
export function closeReason(code: CloseCode): string {
  return REASONS.get(code) ?? '';
}

/**
 * Cuts `text` at a character boundary so that it fits a close frame. With a longer text the WebSocket library throws instead of closing.
 */
export function fitCloseReason(text: string): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += utf8Length(character);
    if (bytes > MAX_CLOSE_REASON_BYTES) return text.slice(0, end);
    end += character.length;
  }
  return text;
}

function utf8Length(character: string): number {
  const codePoint = character.codePointAt(0) ?? 0;
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}
