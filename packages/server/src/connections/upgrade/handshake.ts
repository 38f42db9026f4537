import type { IncomingMessage } from 'node:http';
import type { ErrorCode, RestErrorCode } from '@unified-ws/protocol';

/** A fault of an opening handshake, and the answer to it. */
export interface HandshakeFault {
  readonly status: number;
  readonly code: ErrorCode | RestErrorCode;
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const VERSION = '13';
/** Sixteen bytes in base64 (RFC 6455 §4.1). */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
const TAKES_WEBSOCKET = { Upgrade: 'websocket', 'Sec-WebSocket-Version': VERSION };

/** Whether the request asks to upgrade to WebSocket. HTTP/1.0 has no upgrades (RFC 9110 §7.8). */
export function asksForWebSocket({ headers, httpVersionMajor, httpVersionMinor }: IncomingMessage): boolean {
  const isOld = httpVersionMajor < 1 || (httpVersionMajor === 1 && httpVersionMinor < 1);
  return !isOld && listOf(headers.upgrade).includes('websocket');
}

/** Path and query of a request, whose target may include the origin (RFC 6455 §4.2.1). */
export function resourceOf({ url = '' }: IncomingMessage): string {
  return url.replace(/^https?:\/\/[^/?#]*/i, '');
}

/** What the request lacks by RFC 6455 §4.2.1; null: it is well formed. */
export function handshakeFault({ method, headers }: IncomingMessage): HandshakeFault | null {
  if (method !== 'GET') {
    const detail = 'Open a WebSocket with GET.';
    return { status: 405, code: 'METHOD_NOT_ALLOWED', detail, headers: { Allow: 'GET' } };
  }
  // ws also accepts version 8, whose browsers send their origin in another header, which is not checked.
  if (headers['sec-websocket-version'] !== VERSION) {
    const detail = `Only version ${VERSION} of the WebSocket protocol is supported.`;
    return { status: 426, code: 'METHOD_NOT_ALLOWED', detail, headers: TAKES_WEBSOCKET };
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return malformed('Sec-WebSocket-Key is missing or malformed.');
  if (headers.host === undefined) return malformed('Host is missing.');
  // Node.js passes on what follows the head, so a body would be read as frames.
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) {
    return malformed('An upgrade has no body.');
  }
  return null;
}

export function malformed(detail: string): HandshakeFault {
  return { status: 400, code: 'VALIDATION_ERROR', detail };
}

/** The names in a header, in lower case. */
export function listOf(header: string | undefined): string[] {
  return (header ?? '').split(',').map((name) => name.trim().toLowerCase());
}
