import { randomBytes } from 'node:crypto';
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { parseResume, WS_PATH } from '@unified-ws/protocol';
import type { Logger } from 'pino';
import { type Server, type ServerOptions, WebSocketServer } from 'ws';
import { selectProtocol, tokenFromRequest } from '../../auth/tokenFromRequest.js';
import type { TrustProxy } from '../../settings/settings.js';
import type { ConnectionOrigin } from '../lifecycle/connection.js';
import { PeerSocket } from '../lifecycle/peerSocket.js';
import type { AddressLimit } from '../limits/addressLimit.js';
import type { AuthFailures } from '../limits/authFailures.js';
import type { ClientAddresses } from '../limits/clientAddresses.js';
import { toClient } from './acceptor.js';
import { deflateOffer } from './deflateOffer.js';
import { type HandshakeFault, handshakeFault, malformed, resourceOf } from './handshake.js';
import { Origins } from './origins.js';
import { ReplacementAllowance } from './replacementAllowance.js';

export interface UpgradesParts {
  readonly logger: Logger;
  readonly addressLimit: AddressLimit;
  readonly authFailures: AuthFailures;
  readonly replacements: Pick<ReplacementAllowance, 'replaces'>;
  /** TOKEN_IN_QUERY. */
  readonly tokenInQuery: boolean;
  readonly maxPayload: number;
  readonly messageBurst: number;
  /** COMPRESSION: whether permessage-deflate is negotiated. */
  readonly compression: boolean;
  readonly maxConnections: number;
  readonly maxPendingAuth: number;
  /** ALLOWED_ORIGINS. */
  readonly allowedOrigins: readonly string[];
  readonly addresses: ClientAddresses;
  readonly trustProxy: TrustProxy;
  /** All sockets, and those that have not authenticated. */
  readonly connections: () => number;
  readonly pendingAuth: () => number;
  /** Why no connection is taken now, '' when they are, and when to come back. */
  readonly unavailable: () => { readonly reason: string; readonly retryAfterS: number };
  readonly onRefused: (reason: RefusalReason, ip: string) => void;
  /** The endpoint at a path; null: there is none. */
  readonly endpointAt: (path: string) => Endpoint | null;
}

/** Takes over the connections that are accepted at a path. */
export type Endpoint = (
  ws: import('ws').WebSocket,
  socket: Socket,
  origin: ConnectionOrigin,
  presented: ReturnType<typeof tokenFromRequest>,
) => void;

export type RefusalReason =
  | 'path'
  | 'rate'
  | 'handshake'
  | 'origin'
  | 'connections'
  | 'pending_auth'
  | 'unavailable'
  | 'auth_failures';

/**
 * The answer to an upgrade with a token is held back at most this long, milliseconds, to leave together with connection_established: one system
 * call less per connect, a tenth of what it costs. Long enough for a claim in a connect storm.
 */
const HOLD_MS = 50;
/** Of a connection id. */
const ID_BYTES = 12;
/** Ids' worth of random bytes that are asked for at a time: one by one each costs about 5 µs. */
const IDS_AT_ONCE = 256;

/**
 * Each message is compressed for itself, so that one frame serves many sockets. Numbers of window bits are not given: ws would refuse the
 * upgrade of browsers that offer none. The peers' messages are inflated by ws within MAX_PAYLOAD, in small chunks: with its default
 * each connection that sent one keeps 17 kB, so 11.
 */
const DEFLATE = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  zlibInflateOptions: { chunkSize: 1024 },
};

/** Pieces of a message on average, bytes: below it, most of what is kept is not the message but its pieces. */
const SEGMENT_BYTES = 64;
const FRAGMENT_BYTES = 1024;
/** And so many pieces are taken of any message. */
const MIN_PIECES = 1024;
/** Pongs that may wait for a peer which does not read, whatever MESSAGE_BURST is. */
const MAX_PONGS = 4096;

/** Refused for what others of the same address did. */
const BY_ADDRESS: ReadonlySet<RefusalReason> = new Set(['rate', 'auth_failures']);

interface Refusal extends HandshakeFault {
  readonly reason: RefusalReason;
  readonly retryAfterS?: number;
}

const NO_ENDPOINT: Refusal = { reason: 'path', status: 404, code: 'NOT_FOUND', detail: 'There is no WebSocket here.' };

/** HTTP upgrades: everything that costs little is checked before anything that costs more. */
export class Upgrades {
  private readonly parts: UpgradesParts;
  private readonly wss: Server<typeof PeerSocket>;
  private readonly origins: Origins;
  /** Sockets whose answer is held back; connection_established lets go of most of them before the timer does. */
  private held: Socket[] = [];
  private warned = false;
  private random = Buffer.alloc(0);
  private randomUsed = 0;

  constructor(parts: UpgradesParts) {
    this.parts = parts;
    // @types/ws does not know the last of the limits yet.
    const options: ServerOptions<typeof PeerSocket> & { readonly maxPendingAutoPongs: number } = {
      noServer: true,
      WebSocket: PeerSocket,
      clientTracking: false,
      perMessageDeflate: parts.compression ? DEFLATE : false,
      maxPayload: parts.maxPayload,
      // The default lets 64 KiB that come byte by byte grow to 5 MB, of a peer that nobody knows yet.
      maxBufferedChunks: Math.max(MIN_PIECES, parts.maxPayload / SEGMENT_BYTES),
      maxFragments: Math.max(MIN_PIECES, parts.maxPayload / FRAGMENT_BYTES),
      // At this bound ws ends TCP without a word. Before that the rate ends the connection by a code (Inbound).
      maxPendingAutoPongs: Math.min(MAX_PONGS, 2 * parts.messageBurst + 1),
      handleProtocols: (_offered, request) => selectProtocol(request) ?? false,
    };
    this.wss = new WebSocketServer(options);
    // What only ws looks at: the list of subprotocols.
    this.wss.on('wsClientError', (_error, socket, request) => {
      this.refuse(socket, this.parts.addresses.of(request), {
        ...malformed('Sec-WebSocket-Protocol is malformed.'),
        reason: 'handshake',
      });
    });
    this.origins = new Origins(parts.allowedOrigins, parts.addresses);
  }

  /** A request that asks for a WebSocket. */
  handle(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const socket = stream as Socket;
    // Without a listener a peer that resets now would end the process.
    socket.on('error', ignoreReset);
    const ip = this.parts.addresses.of(request);
    const url = resourceOf(request);
    const { token, carrier } = tokenFromRequest(request, this.parts.tokenInQuery);
    const path = pathOf(url);
    const endpoint = this.parts.endpointAt(path);
    if (!endpoint) {
      this.refuse(socket, ip, NO_ENDPOINT);
      return;
    }
    const refusal = this.refusalOf(request, path, ip, token) ?? this.forgery(ip, token);
    if (refusal) {
      if (BY_ADDRESS.has(refusal.reason)) this.warnOfProxy(request);
      this.refuse(socket, ip, refusal);
      return;
    }
    // ws looks for this alone, and the list may name more.
    request.headers.upgrade = 'websocket';
    if (token !== null) this.hold(socket);
    const offer = deflateOffer(request.headers['sec-websocket-extensions']);
    if (offer !== undefined) request.headers['sec-websocket-extensions'] = offer;
    else delete request.headers['sec-websocket-extensions'];
    this.wss.handleUpgrade(request, socket, head, (ws) => {
      socket.removeListener('error', ignoreReset);
      const query = new URLSearchParams(url.slice(url.indexOf('?') + 1 || url.length));
      const resume = parseResume(copied(query.get('resume'))) ?? { broadcast: null, user: null };
      const inflates = ws.extensions !== '';
      const client = toClient(copied(query.get('client')));
      const origin = { id: this.newId(), ip, client, inflates, resume };
      endpoint(ws, socket, origin, { token, carrier });
    });
  }

  private refuse(socket: Duplex, ip: string, refusal: Refusal): void {
    this.parts.onRefused(refusal.reason, ip);
    answer(socket, refusal);
  }

  private newId(): string {
    if (this.randomUsed === this.random.length) {
      this.random = randomBytes(ID_BYTES * IDS_AT_ONCE);
      this.randomUsed = 0;
    }
    this.randomUsed += ID_BYTES;
    return this.random.toString('base64url', this.randomUsed - ID_BYTES, this.randomUsed);
  }

  private hold(socket: Socket): void {
    socket.cork();
    this.held.push(socket);
    if (this.held.length > 1) return;
    setTimeout(() => {
      const { held } = this;
      this.held = [];
      for (const one of held) one.uncork();
    }, HOLD_MS);
  }

  private refusalOf(request: IncomingMessage, path: string, ip: string, token: string | null): Refusal | null {
    const { parts } = this;
    const wait = parts.addressLimit.take(ip);
    if (wait > 0) {
      const detail = 'Too many connects from this address.';
      return { reason: 'rate', status: 429, code: 'RATE_LIMITED', detail, retryAfterS: wait };
    }
    const fault = handshakeFault(request);
    if (fault !== null) return { ...fault, reason: 'handshake' };
    if (!this.origins.allows(request)) {
      return { reason: 'origin', status: 403, code: 'PERMISSION_DENIED', detail: 'This origin is not allowed.' };
    }
    const { reason, retryAfterS } = parts.unavailable();
    if (reason !== '') {
      return { reason: 'unavailable', status: 503, code: 'UNAVAILABLE', detail: reason, retryAfterS };
    }
    if (parts.connections() >= parts.maxConnections && !(path === WS_PATH && this.replacesOne(token))) {
      const detail = 'This node is full.';
      return { reason: 'connections', status: 503, code: 'CONNECTION_LIMIT', detail, retryAfterS: 5 };
    }
    // Who holds sockets open without a token must not keep out those who bring one.
    if (parts.pendingAuth() >= parts.maxPendingAuth * (token === null ? 1 : 2)) {
      const detail = 'Too many connections have not authenticated yet.';
      return { reason: 'pending_auth', status: 503, code: 'CONNECTION_LIMIT', detail, retryAfterS: 1 };
    }
    return null;
  }

  private replacesOne(token: string | null): boolean {
    const { connections, maxConnections, replacements } = this.parts;
    return connections() < ReplacementAllowance.bound(maxConnections) && replacements.replaces(token);
  }

  /** Last of all: it is the only check that costs, but for that of a full node. */
  private forgery(ip: string, token: string | null): Refusal | null {
    const wait = token === null ? 0 : this.parts.authFailures.refuses(ip, token);
    if (wait === 0) return null;
    const detail = 'Too many bad tokens from this address, and this is one.';
    return { reason: 'auth_failures', status: 429, code: 'RATE_LIMITED', detail, retryAfterS: wait };
  }

  /** Behind a proxy that is not trusted one hostile client uses up the limits of all, and nothing else would say so (F21). */
  private warnOfProxy(request: IncomingMessage): void {
    if (this.warned || this.parts.trustProxy !== false || request.headers['x-forwarded-for'] === undefined) return;
    this.warned = true;
    this.parts.logger.warn(
      'connects are refused by address, and all clients of a proxy count as one: TRUST_PROXY is not set, X-Forwarded-For is ignored',
    );
  }
}

/** A part of a text holds the whole in memory, and the URL may hold the token: what is kept must not be a part of it. */
function copied(part: string | null): string {
  return part === null ? '' : Buffer.from(part).toString();
}

/** Without the query, and without a slash at its end. */
function pathOf(url: string): string {
  const path = url.split('?', 1)[0] as string;
  return path.endsWith('/') ? path.slice(0, -1) : path;
}

/** The peer is gone: there is nobody to tell, and `close` follows. */
function ignoreReset(): void {
  return;
}

function answer(socket: Duplex, { status, code, detail, headers, retryAfterS }: Refusal): void {
  const body = JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, detail, code });
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Connection: close${headers?.Upgrade === undefined ? '' : ', Upgrade'}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ];
  if (retryAfterS !== undefined) lines.push(`Retry-After: ${retryAfterS}`);
  socket.once('finish', () => socket.destroy());
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
