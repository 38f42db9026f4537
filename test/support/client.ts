import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientMessageType, type ServerData, type ServerMessageType, WS_PATH } from '@unified-ws/protocol';
import { systemClock } from '@unified-ws/server/util/clock';
import { WebSocket } from 'ws';
import { FrameTap } from './frameTap.js';
import { within } from './wait.js';

/** A frame of the server as received. Events have `scope`. */
export interface Received {
  readonly type: string;
  readonly data: Record<string, unknown>;
  readonly id?: string;
  readonly reply_to?: string;
  readonly scope?: string;
  readonly position?: string | null;
  /** Monotonic ms of the machine (`systemClock.mono`) when the frame was read. */
  readonly at: number;
}

/** The end of a connection: a close code (1006 without one), or the HTTP status of a refusal. */
export interface Ending {
  readonly code: number;
  readonly reason: string;
  /** Status of the refused upgrade; null if it was accepted or never answered. */
  readonly status: number | null;
  /** `Retry-After` of the refusal, seconds. */
  readonly retryAfterS: number | null;
  readonly at: number;
}

export interface ClientOptions {
  /** Sent in the `Authorization` header; absent: none. */
  readonly token?: string;
  /** `<id>.<attempt>`. */
  readonly client?: string;
  readonly resume?: string;
  /** Further query parameters. */
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly protocols?: readonly string[];
  /** Offers permessage-deflate. Default false. */
  readonly deflate?: boolean;
  /** False: frames go to `onFrame` and are not kept. Default true. */
  readonly keep?: boolean;
  readonly onFrame?: (frame: Received) => void;
}

export type EstablishedData = ServerData<'connection_established'>;

const PATIENCE_MS = 10_000;

/** One WebSocket to a node. Never reconnects: the test is about this connection. */
export class TestClient {
  readonly ws: WebSocket;
  /** All frames so far, unless `keep` is false. */
  readonly frames: Received[] = [];
  /** Monotonic ms when the connection was started. */
  readonly startedAt = systemClock.mono();
  /** Never rejects. */
  readonly ended: Promise<Ending>;
  ending: Ending | null = null;
  establishedData: EstablishedData | null = null;
  /** Monotonic ms when the upgrade was answered, which is when the node claims. 0 before. */
  openedAt = 0;
  /** Monotonic ms when connection_established was read; 0 before. */
  establishedAt = 0;
  readonly tap = new FrameTap();
  private readonly keep: boolean;
  private readonly onFrame: ((frame: Received) => void) | undefined;
  private readonly watchers = new Set<() => void>();
  private status: number | null = null;
  private retryAfterS: number | null = null;
  private lastId = 0;

  /** @param url `ws://host:port`; the path is added. */
  constructor(url: string, options: ClientOptions = {}) {
    this.keep = options.keep ?? true;
    this.onFrame = options.onFrame;
    const query = new URLSearchParams(options.query);
    if (options.client !== undefined) query.set('client', options.client);
    if (options.resume !== undefined) query.set('resume', options.resume);
    const headers: Record<string, string> = { ...options.headers };
    if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`;
    const text = query.toString();
    this.ws = new WebSocket(`${url}${WS_PATH}${text === '' ? '' : `?${text}`}`, [...(options.protocols ?? [])], {
      headers,
      perMessageDeflate: options.deflate ?? false,
    });
    let response: IncomingMessage | undefined;
    this.ws.on('upgrade', (upgraded) => {
      response = upgraded;
    });
    this.ws.on('open', () => {
      this.openedAt = systemClock.mono();
      // In this turn: ws has put the first bytes back, and from the next tick on they flow to both.
      response?.socket.on('data', (chunk: Buffer) => this.tap.push(chunk));
    });
    this.ws.on('unexpected-response', (_request, refused) => {
      this.status = refused.statusCode ?? null;
      this.retryAfterS = refused.headers['retry-after'] === undefined ? null : Number(refused.headers['retry-after']);
      refused.resume();
      // A listener of this event must end the socket itself; otherwise `close` never comes.
      this.ws.terminate();
    });
    // `close` follows each error and has the code.
    let failure = '';
    this.ws.on('error', (error) => {
      failure = error.message;
    });
    this.ws.on('message', (data) => this.receive(String(data)));
    this.ended = new Promise((resolve) => {
      this.ws.on('close', (code, reason) => {
        const at = systemClock.mono();
        const text = reason.toString() || failure;
        this.ending = { code, reason: text, status: this.status, retryAfterS: this.retryAfterS, at };
        resolve(this.ending);
        this.wake();
      });
    });
  }

  get isOpen(): boolean {
    return this.ws.readyState === WebSocket.OPEN;
  }

  /** Events received, of any type. */
  get events(): Received[] {
    return this.frames.filter((frame) => frame.scope !== undefined);
  }

  /** @throws Error with the close code if the connection ends first. */
  async established(timeoutMs = PATIENCE_MS): Promise<EstablishedData> {
    return this.when(() => this.establishedData, 'connection_established', timeoutMs);
  }

  /** The first frame that matches type and condition, including frames already received. */
  async waitFor(
    type: string,
    fits: (frame: Received) => boolean = () => true,
    timeoutMs = PATIENCE_MS,
  ): Promise<Received> {
    return this.when(() => this.frames.find((frame) => frame.type === type && fits(frame)) ?? null, type, timeoutMs);
  }

  /** Resolves with the end. @throws Error if the connection does not end in time. */
  async closed(timeoutMs = PATIENCE_MS): Promise<Ending> {
    return within(this.ended, timeoutMs, 'the connection ends');
  }

  send(type: ClientMessageType | (string & {}), data?: unknown, id?: string): void {
    this.ws.send(
      JSON.stringify({ type, ...(data === undefined ? {} : { data }), ...(id === undefined ? {} : { id }) }),
    );
  }

  /** Sends with a new id and resolves with the reply, also an `error`. */
  async request(type: ClientMessageType | (string & {}), data?: unknown, timeoutMs = PATIENCE_MS): Promise<Received> {
    this.lastId += 1;
    const id = `r${this.lastId}`;
    this.send(type, data, id);
    return this.when(() => this.frames.find((frame) => frame.reply_to === id) ?? null, `a reply to ${type}`, timeoutMs);
  }

  /** The data of a reply of the type. @throws Error with the text of any other reply. */
  async ask<T extends ServerMessageType>(type: ClientMessageType, data: unknown, reply: T): Promise<ServerData<T>> {
    const frame = await this.request(type, data);
    if (frame.type !== reply) throw new Error(`${type} was answered: ${JSON.stringify(frame)}`);
    return frame.data as ServerData<T>;
  }

  /** Closes with a close frame. */
  async close(code = 1000): Promise<Ending> {
    this.ws.close(code);
    const gone = sleep(2000, undefined, { ref: false }).then(() => this.ws.terminate());
    await Promise.race([this.ended, gone]);
    return this.ended;
  }

  /** Drops TCP without a close frame. */
  terminate(): void {
    this.ws.terminate();
  }

  private async when<T>(find: () => T | null, what: string, timeoutMs: number): Promise<T> {
    let watcher: (() => void) | undefined;
    const found = new Promise<T>((resolve, reject) => {
      watcher = () => {
        const value = find();
        if (value !== null) resolve(value);
        else if (this.ending) reject(new Error(`ended before ${what}: ${JSON.stringify(this.ending)}`));
      };
      this.watchers.add(watcher);
      watcher();
    });
    try {
      return await within(found, timeoutMs, what);
    } finally {
      if (watcher) this.watchers.delete(watcher);
    }
  }

  private receive(text: string): void {
    const at = systemClock.mono();
    const frame = { ...(JSON.parse(text) as Omit<Received, 'at'>), at };
    if (frame.type === 'connection_established') {
      this.establishedData = frame.data as EstablishedData;
      this.establishedAt = at;
    }
    if (this.keep) this.frames.push(frame);
    this.onFrame?.(frame);
    this.wake();
  }

  private wake(): void {
    for (const watcher of [...this.watchers]) watcher();
  }
}
