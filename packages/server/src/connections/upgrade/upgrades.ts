import { randomBytes } from 'node:crypto';
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { parseResume, WS_PATH } from '@unified-ws/protocol';
import { type Server, type ServerOptions, WebSocketServer } from 'ws';
import { selectProtocol, tokenFromRequest } from '../../auth/tokenFromRequest.js';
import type { Core } from '../../core.js';
import type { Settings } from '../../settings/settings.js';
import type { ConnectionOrigin } from '../lifecycle/connection.js';
import { PeerSocket } from '../lifecycle/peerSocket.js';
import type { Sockets } from '../lifecycle/sockets.js';
import type { AddressLimit } from '../limits/addressLimit.js';
import type { AuthFailures } from '../limits/authFailures.js';
import type { ClientAddresses } from '../limits/clientAddresses.js';
import type { ConnectRate } from '../limits/connectRate.js';
import { toClient } from './acceptor.js';
import { deflateOffer } from './deflateOffer.js';
import { type HandshakeFault, handshakeFault, malformed, resourceOf } from './handshake.js';
import { Origins } from './origins.js';
import { ReplacementAllowance } from './replacementAllowance.js';
import { WaitingUpgrade } from './waitingUpgrade.js';

interface UpgradesParts
  extends Pick<Core, 'logger'>,
    Pick<
      Settings,
      | 'tokenInQuery'
      | 'maxPayload'
      | 'messageBurst'
      | 'compression'
      | 'maxConnections'
      | 'maxPendingAuth'
      | 'allowedOrigins'
      | 'trustProxy'
    > {
  readonly addressLimit: AddressLimit;
  readonly authFailures: AuthFailures;
  readonly connectRate: Pick<ConnectRate, 'admit'>;
  readonly replacements: Pick<ReplacementAllowance, 'replaces'>;
  readonly addresses: ClientAddresses;
  readonly sockets: Pick<Sockets, 'size' | 'pendingAuth'>;
  /** Why the node accepts no connections now ('': it does), and when to come back. */
  readonly unavailable: () => { readonly reason: string; readonly retryAfterS: number };
  readonly onRefused: (reason: RefusalReason, ip: string) => void;
  /** The endpoint at a path; null: there is none. */
  readonly endpointAt: (path: string) => Endpoint | null;
}

/** Receives the connections that are accepted at a path. */
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
  | 'connect_rate'
  | 'origin'
  | 'connections'
  | 'pending_auth'
  | 'unavailable'
  | 'auth_failures';

/**
 * The answer to an upgrade with a token is held back for at most this time, milliseconds, and is sent together with
 * connection_established. That saves a system call per connect, a tenth of its cost. Long enough for a claim in a connect storm.
 */
const HOLD_MS = 50;
/** Bytes of a connection id. */
const ID_BYTES = 12;
/** Random bytes are drawn for this many ids at a time, because a call for each costs about 5 µs. */
const IDS_AT_ONCE = 256;

/**
 * Each message is compressed independently, so that one frame serves many sockets. Window bits are not set, because ws would then refuse
 * the upgrade of browsers that do not offer them. ws inflates the peers' messages within MAX_PAYLOAD, in small chunks: with its
 * default chunk each connection that sent a message keeps 17 kB, so 11 kB.
 */
const DEFLATE = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  zlibInflateOptions: { chunkSize: 1024 },
};

/** Average size of the pieces of a message, bytes. Below it, the pieces' overhead exceeds the message. */
const SEGMENT_BYTES = 64;
const FRAGMENT_BYTES = 1024;
/** This many pieces of a message are always accepted. */
const MIN_PIECES = 1024;
/** Maximum number of pongs that wait for a peer that does not read, whatever MESSAGE_BURST is. */
const MAX_PONGS = 4096;

/** Refusals because of other requests from the same address. */
const BY_ADDRESS: ReadonlySet<RefusalReason> = new Set(['rate', 'auth_failures']);

interface Refusal extends HandshakeFault {
  readonly reason: RefusalReason;
  readonly retryAfterS?: number;
}

/** An upgrade that was not refused. */
interface Admitted extends ReturnType<typeof tokenFromRequest> {
  readonly endpoint: Endpoint;
  readonly url: string;
  readonly ip: string;
}

const NO_ENDPOINT: Refusal = { reason: 'path', status: 404, code: 'NOT_FOUND', detail: 'There is no WebSocket here.' };

/** HTTP upgrades. Cheap checks come before expensive ones. */
export class Upgrades {
  private readonly parts: UpgradesParts;
  private readonly wss: Server<typeof PeerSocket>;
  private readonly origins: Origins;
  /** Sockets whose answer is held back. connection_established releases most of them before the timer does. */
  private held: Socket[] = [];
  private warned = false;
  private random = Buffer.alloc(0);
  private randomUsed = 0;

  constructor(parts: UpgradesParts) {
    this.parts = parts;
    // @types/ws does not know the last of these limits yet.
    const options: ServerOptions<typeof PeerSocket> & { readonly maxPendingAutoPongs: number } = {
      noServer: true,
      WebSocket: PeerSocket,
      clientTracking: false,
      perMessageDeflate: parts.compression === 'on' ? DEFLATE : false,
      maxPayload: parts.maxPayload,
      // With the default, 64 KiB that arrive byte by byte from an unauthenticated peer grow to 5 MB.
      maxBufferedChunks: Math.max(MIN_PIECES, parts.maxPayload / SEGMENT_BYTES),
      maxFragments: Math.max(MIN_PIECES, parts.maxPayload / FRAGMENT_BYTES),
      // At this limit ws ends TCP without a close frame. The rate limit closes the connection with a code before that (Inbound).
      maxPendingAutoPongs: Math.min(MAX_PONGS, 2 * parts.messageBurst + 1),
      handleProtocols: (_offered, request) => selectProtocol(request) ?? false,
    };
    this.wss = new WebSocketServer(options);
    // Only ws checks this: the list of subprotocols.
    this.wss.on('wsClientError', (_error, socket, request) => {
      this.refuse(socket, this.parts.addresses.of(request), {
        ...malformed('Sec-WebSocket-Protocol is malformed.'),
        reason: 'handshake',
      });
    });
    this.origins = new Origins(parts.allowedOrigins, parts.addresses);
  }

  /** Handles a request that asks for a WebSocket. */
  handle(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const socket = stream as Socket;
    // Without a listener a reset by the peer would end the process.
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
    const refusal = this.refusalOf(request, ip) ?? this.refusalOfNode(path, token) ?? this.forgery(ip, token);
    if (refusal) {
      if (BY_ADDRESS.has(refusal.reason)) this.warnOfProxy(request);
      this.refuse(socket, ip, refusal);
      return;
    }
    let waiting: WaitingUpgrade | null = null;
    let isDone = false;
    const retryMs = this.parts.connectRate.admit('upgrade', () => {
      isDone = true;
      const early = waiting === null ? head : waiting.end();
      // The peer gave up meanwhile and may have claimed anew: a claim for this connection would evict the newer one (C5).
      if (early === null) return;
      const refused = this.refusalOfNode(path, token);
      if (refused) this.refuse(socket, ip, refused);
      else this.upgrade(request, socket, early, { endpoint, url, ip, token, carrier });
    });
    if (retryMs > 0) {
      const detail = 'Too many connects at this node now.';
      const retryAfterS = Math.ceil(retryMs / 1000);
      this.refuse(socket, ip, { reason: 'connect_rate', status: 503, code: 'CONNECTION_LIMIT', detail, retryAfterS });
    } else if (!isDone) {
      waiting = new WaitingUpgrade(socket, head);
    }
  }

  private upgrade(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    { endpoint, url, ip, token, carrier }: Admitted,
  ): void {
    // ws accepts only this value, but the header may list more protocols.
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

  private refusalOf(request: IncomingMessage, ip: string): Refusal | null {
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
    return null;
  }

  /** Of the node as it is now: asked again when an upgrade has waited. */
  private refusalOfNode(path: string, token: string | null): Refusal | null {
    const { parts } = this;
    const { reason, retryAfterS } = parts.unavailable();
    if (reason !== '') {
      return { reason: 'unavailable', status: 503, code: 'UNAVAILABLE', detail: reason, retryAfterS };
    }
    if (parts.sockets.size >= parts.maxConnections && !(path === WS_PATH && this.replacesOne(token))) {
      const detail = 'This node is full.';
      return { reason: 'connections', status: 503, code: 'CONNECTION_LIMIT', detail, retryAfterS: 5 };
    }
    // Peers that hold sockets open without a token must not keep out those that send one.
    if (parts.sockets.pendingAuth >= parts.maxPendingAuth * (token === null ? 1 : 2)) {
      const detail = 'Too many connections have not authenticated yet.';
      return { reason: 'pending_auth', status: 503, code: 'CONNECTION_LIMIT', detail, retryAfterS: 1 };
    }
    return null;
  }

  private replacesOne(token: string | null): boolean {
    const { sockets, maxConnections, replacements } = this.parts;
    return sockets.size < ReplacementAllowance.bound(maxConnections) && replacements.replaces(token);
  }

  /** The last check, because it is the most expensive one apart from that of a full node. */
  private forgery(ip: string, token: string | null): Refusal | null {
    const wait = token === null ? 0 : this.parts.authFailures.refuses(ip, token);
    if (wait === 0) return null;
    const detail = 'Too many bad tokens from this address, and this is one.';
    return { reason: 'auth_failures', status: 429, code: 'RATE_LIMITED', detail, retryAfterS: wait };
  }

  /** Behind an untrusted proxy one hostile client uses up the limits of all. Without this warning nothing would say so (F21). */
  private warnOfProxy(request: IncomingMessage): void {
    if (this.warned || this.parts.trustProxy !== false || request.headers['x-forwarded-for'] === undefined) return;
    this.warned = true;
    this.parts.logger.warn(
      'connects are refused by client address, but TRUST_PROXY is not set: X-Forwarded-For is ignored, and all clients of a proxy share one address',
    );
  }
}

/** A slice keeps the whole string in memory, and the URL may contain the token, so values are copied. */
function copied(part: string | null): string {
  return part === null ? '' : Buffer.from(part).toString();
}

/** The path without query and trailing slash. */
function pathOf(url: string): string {
  const path = url.split('?', 1)[0] as string;
  return path.endsWith('/') ? path.slice(0, -1) : path;
}

/** The peer is gone and cannot be answered; `close` follows. */
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
