import type { IncomingMessage } from 'node:http';
import type { ErrorCode, RestErrorCode } from '@unified-ws/protocol';

/** What is wrong with an opening handshake, and how it is answered. */
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

/** Whether the upgrade of a request is one to WebSocket. That of an HTTP/1.0 request is none (RFC 9110 §7.8). */
export function asksForWebSocket({ headers, httpVersionMajor, httpVersionMinor }: IncomingMessage): boolean {
  const isOld = httpVersionMajor < 1 || (httpVersionMajor === 1 && httpVersionMinor < 1);
  return !isOld && listOf(headers.upgrade).includes('websocket');
}

/** Path and query of a request, which may be written with its origin (RFC 6455 §4.2.1). */
export function resourceOf({ url = '' }: IncomingMessage): string {
  return url.replace(/^https?:\/\/[^/?#]*/i, '');
}

/** What RFC 6455 §4.2.1 demands of a request and this one has not; null: it is well formed. */
export function handshakeFault({ method, headers }: IncomingMessage): HandshakeFault | null {
  if (method !== 'GET') {
    const detail = 'A WebSocket is opened by GET.';
    return { status: 405, code: 'METHOD_NOT_ALLOWED', detail, headers: { Allow: 'GET' } };
  }
  // ws takes 8 too, whose browsers send their origin in another header, where nobody looks at it.
  if (headers['sec-websocket-version'] !== VERSION) {
    const detail = `Only version ${VERSION} of the WebSocket protocol is spoken here.`;
    return { status: 426, code: 'METHOD_NOT_ALLOWED', detail, headers: TAKES_WEBSOCKET };
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return malformed('Sec-WebSocket-Key is missing or malformed.');
  if (headers.host === undefined) return malformed('Host is missing.');
  // Node.js hands over what follows the head: a body would be read as frames.
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
