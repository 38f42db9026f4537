/** The subprotocol that the server speaks and the only one that it ever selects: a selected `bearer.<jwt>` would echo the token. */
export const SUBPROTOCOL = 'unified.v1';

const BEARER_PROTOCOL = 'bearer.';

/** Where the token was found. */
export type Carrier = 'header' | 'subprotocol' | 'query' | 'none';

/** The part of a request that may carry a token; `IncomingMessage` fits. */
export interface TokenRequest {
  readonly headers: {
    readonly authorization?: string | undefined;
    readonly 'sec-websocket-protocol'?: string | undefined;
  };
  readonly url?: string | undefined;
}

/**
 * Finds the token of an upgrade request: `Authorization: Bearer`, else the subprotocol list (`unified.v1, bearer.<jwt>`),
 * else `?token=`. The first carrier that is present decides, even when its token is invalid.
 *
 * @param inQuery `TOKEN_IN_QUERY`: when false, a token in the query is not accepted.
 * @returns token null and carrier `none` when there is none: the client may still authenticate by its first message. Token null and
 * carrier `query` when the only token is in the query and is not accepted.
 */
export function tokenFromRequest(
  request: TokenRequest,
  inQuery = true,
): { readonly token: string | null; readonly carrier: Carrier } {
  const header = bearerToken(request.headers.authorization);
  if (header !== null) return { token: header, carrier: 'header' };
  const protocol = offeredProtocols(request).find((name) => name.startsWith(BEARER_PROTOCOL));
  if (protocol !== undefined) return { token: protocol.slice(BEARER_PROTOCOL.length), carrier: 'subprotocol' };
  const query = queryToken(request.url ?? '');
  if (query !== null) return { token: inQuery ? query : null, carrier: 'query' };
  return { token: null, carrier: 'none' };
}

/** The token of an `Authorization` header, null when the header is absent or has another scheme. REST accepts only this carrier. */
export function bearerToken(authorization: string | undefined): string | null {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? null;
}

/** The subprotocol for the answer to an upgrade; null: send none. */
export function selectProtocol(request: TokenRequest): typeof SUBPROTOCOL | null {
  return offeredProtocols(request).includes(SUBPROTOCOL) ? SUBPROTOCOL : null;
}

function offeredProtocols(request: TokenRequest): string[] {
  const offered = request.headers['sec-websocket-protocol'];
  return offered === undefined ? [] : offered.split(',').map((name) => name.trim());
}

function queryToken(url: string): string | null {
  const start = url.indexOf('?');
  return start === -1 ? null : new URLSearchParams(url.slice(start + 1)).get('token');
}
