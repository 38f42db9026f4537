import { hash } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { type RestOperation, restOperations } from '@unified-ws/protocol';
import { bearerToken } from '../../auth/tokenFromRequest.js';
import type { Clock } from '../../util/clock.js';
import { AddressLimit } from './addressLimit.js';
import { Buckets } from './buckets.js';
import type { ClientAddresses } from './clientAddresses.js';
import type { RecentProbes } from './recentProbes.js';

/** Size of a bucket, in seconds of its rate. */
const BURST_S = 5;
/** Maximum number of callers known by their token. The oldest is dropped, and its next request is charged to its address again. */
const MAX_KNOWN = 5000;

/** Not limited here. The queue (EVENT_QUEUE_MAX) and rates by type limit publishes: a backend sends thousands a second from one address. */
const PUBLISHES: readonly RestOperation[] = [restOperations.publishEvents, restOperations.broadcastEvent];
const PUBLISH_PATHS: ReadonlySet<string> = new Set(PUBLISHES.map(({ path }) => path));

const BODY = JSON.stringify({
  type: 'about:blank',
  title: STATUS_CODES[429],
  status: 429,
  detail: 'Too many requests.',
  code: 'RATE_LIMITED',
});

export interface HttpLimitParts {
  readonly clock: Clock;
  readonly addresses: ClientAddresses;
  /** HTTP_RATE_PER_IP and HTTP_RATE_PER_CALLER, per second; 0: no limit. */
  readonly perAddress: number;
  readonly perCaller: number;
  readonly probes: RecentProbes;
  readonly onRefused: (bucket: 'address' | 'caller') => void;
}

interface KnownCaller {
  readonly userId: string;
  readonly publishes: boolean;
}

/**
 * Limits the cost of plain HTTP. Before any other work each request is charged: to the caller if the token was found valid before, else to
 * the client address. If the caller then proves valid, the address gets its token back. So a gateway may bring many users from one
 * address, and only requests without a valid caller are limited by address.
 */
export class HttpLimit {
  private readonly parts: HttpLimitParts;
  private readonly byAddress: AddressLimit;
  private readonly byCaller: Buckets;
  private readonly known = new Map<string, KnownCaller>();
  /** Requests that were charged to their address. */
  private readonly charged = new WeakSet<IncomingMessage>();

  constructor(parts: HttpLimitParts) {
    const { clock, perAddress, perCaller } = parts;
    this.parts = parts;
    this.byAddress = new AddressLimit(clock, perAddress, perAddress * BURST_S);
    this.byCaller = new Buckets(clock, perCaller, perCaller * BURST_S);
  }

  /** False: the request was answered and must not be handled. */
  admit(request: IncomingMessage, response: ServerResponse): boolean {
    const token = bearerToken(request.headers.authorization);
    const caller = token === null ? undefined : this.known.get(digestOf(token));
    if (caller) {
      const wait = this.chargeCaller(request, caller);
      if (wait > 0) this.refuse(request, response, 'caller', wait);
      return wait === 0;
    }
    const wait = this.byAddress.take(this.parts.addresses.of(request));
    if (wait === 0) {
      this.charged.add(request);
      return true;
    }
    return this.admitProbe(request, response) ?? this.refuse(request, response, 'address', wait);
  }

  /** Null: the request is not a probe. */
  private admitProbe(request: IncomingMessage, response: ServerResponse): boolean | null {
    const path = pathOf(request);
    if (!this.parts.probes.has(path) || (request.method !== 'GET' && request.method !== 'HEAD')) return null;
    const recent = this.parts.probes.find(path);
    if (recent === null) return true;
    this.parts.onRefused('address');
    this.write(request, response, recent.status, recent.body, {
      'Content-Type': 'application/json; charset=utf-8',
      ...(recent.status === 503 ? { 'Retry-After': '1' } : {}),
    });
    return false;
  }

  /**
   * The request's token is valid.
   *
   * @returns the seconds after which to try again; 0: allowed.
   */
  authenticated(request: IncomingMessage, token: string, userId: string, permissions: ReadonlySet<string>): number {
    if (!this.charged.delete(request)) return 0;
    this.byAddress.giveBack(this.parts.addresses.of(request));
    const publishes = PUBLISHES.some(
      ({ permissions: anyOf }) => Array.isArray(anyOf) && anyOf.some((one) => permissions.has(one)),
    );
    const caller = { userId, publishes };
    const digest = digestOf(token);
    if (this.known.size >= MAX_KNOWN && !this.known.has(digest)) {
      for (const oldest of this.known.keys()) {
        this.known.delete(oldest);
        break;
      }
    }
    this.known.set(digest, caller);
    const wait = this.chargeCaller(request, caller);
    if (wait > 0) this.parts.onRefused('caller');
    return wait;
  }

  /** The token is not valid, or no longer valid. */
  rejected(token: string): void {
    this.known.delete(digestOf(token));
  }

  private chargeCaller(request: IncomingMessage, { userId, publishes }: KnownCaller): number {
    const free = publishes && request.method === 'POST' && PUBLISH_PATHS.has(pathOf(request));
    return free ? 0 : this.byCaller.take(userId);
  }

  private refuse(
    request: IncomingMessage,
    response: ServerResponse,
    bucket: 'address' | 'caller',
    wait: number,
  ): false {
    this.parts.onRefused(bucket);
    this.write(request, response, 429, BODY, {
      'Content-Type': 'application/problem+json',
      'Retry-After': String(wait),
    });
    return false;
  }

  private write(
    request: IncomingMessage,
    response: ServerResponse,
    status: number,
    body: string,
    headers: Readonly<Record<string, string>>,
  ): void {
    // A flooding client must connect again. A balancer's connection stays open, because it carries other clients too, unless a body is still to come.
    const close = hasBody(request) || !this.parts.addresses.isProxy(request.socket);
    response.writeHead(status, {
      ...headers,
      'Cache-Control': 'no-store',
      'Content-Length': Buffer.byteLength(body),
      ...(close ? { Connection: 'close' } : {}),
    });
    response.end(body);
  }
}

/** Only digests are kept: a memory dump of a node must not contain usable tokens. */
function digestOf(token: string): string {
  return hash('sha256', token, 'base64url');
}

function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0] as string;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}
