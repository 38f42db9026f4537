import type { IncomingHttpHeaders } from 'node:http';
import { WebSocket } from 'ws';
import type { Contract } from './contract.js';
import { envelopeFault, type Frame } from './frames.js';
import { within } from './wait.js';

/** An upgrade that was answered with another status than 101. */
interface Refusal {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** How a connection ended: by a close code (1006 without one), or by a refused upgrade. */
export interface Ending {
  readonly code: number;
  readonly reason: string;
  readonly refusal: Refusal | null;
}

export interface DialOptions {
  /** In the `Authorization` header; left out: none. */
  readonly token?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** False: it answers no WebSocket ping. Default true. */
  readonly pongs?: boolean;
}

export type Data = Readonly<Record<string, unknown>>;

const PATIENCE_MS = 10_000;

/** One WebSocket to the target. It never reconnects. What it receives against the contract is a fault of the test's end. */
export class Client {
  readonly ws: WebSocket;
  /** All frames so far. */
  readonly frames: Frame[] = [];
  /** What came against the contract. */
  readonly faults: string[] = [];
  /** Never rejects. */
  readonly ended: Promise<Ending>;
  ending: Ending | null = null;
  private readonly contract: Contract;
  private readonly watchers = new Set<() => void>();
  /** Types of the messages by their ids. */
  private readonly sent = new Map<string, string>();
  private lastId = 0;

  /** @param url of the endpoint, `ws://…` or `wss://…`. */
  constructor(url: string, contract: Contract, options: DialOptions = {}) {
    this.contract = contract;
    const query = new URLSearchParams(options.query).toString();
    const headers: Record<string, string> = { ...options.headers };
    if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`;
    this.ws = new WebSocket(query === '' ? url : `${url}?${query}`, [...(options.protocols ?? [])], {
      headers,
      perMessageDeflate: false,
      autoPong: options.pongs ?? true,
    });
    let refusal: Refusal | null = null;
    this.ws.on('unexpected-response', (_request, response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      // A listener of this event has to end the socket itself: without this there would be no `close`.
      const end = (): void => {
        refusal = { status: response.statusCode ?? 0, headers: response.headers, body };
        this.ws.terminate();
      };
      response.on('end', end);
      response.on('error', end);
    });
    this.ws.on('open', () => this.wake());
    let failure = '';
    // `close` follows, and tells how it ended.
    this.ws.on('error', (error) => {
      failure = error.message;
    });
    this.ws.on('message', (data, isBinary) => this.receive(String(data), isBinary));
    this.ended = new Promise((resolve) => {
      this.ws.on('close', (code, reason) => {
        this.ending = { code, reason: reason.toString() || failure, refusal };
        resolve(this.ending);
        this.wake();
      });
    });
  }

  get isOpen(): boolean {
    return this.ws.readyState === WebSocket.OPEN;
  }

  get events(): Frame[] {
    return this.frames.filter(({ scope }) => scope !== undefined);
  }

  /** The data of `connection_established`. @throws Error when there was none yet. */
  get establishedData(): Data {
    const [first] = this.frames;
    if (first?.type !== 'connection_established') throw new Error('the connection is not established');
    return first.data;
  }

  get userId(): string {
    return String(this.establishedData.user_id);
  }

  async opened(): Promise<void> {
    await this.when(() => (this.isOpen ? true : null), 'the upgrade', PATIENCE_MS);
  }

  /** Resolves with the data of connection_established. */
  async established(timeoutMs = PATIENCE_MS): Promise<Data> {
    await this.when(() => this.frames[0] ?? null, 'connection_established', timeoutMs);
    return this.establishedData;
  }

  /** The first frame, of those already here too, that fits. */
  async waitFor(type: string, fits: (frame: Frame) => boolean = () => true, timeoutMs = PATIENCE_MS): Promise<Frame> {
    return this.when(() => this.frames.find((frame) => frame.type === type && fits(frame)) ?? null, type, timeoutMs);
  }

  /** The event of this id. */
  async event(id: unknown, timeoutMs = PATIENCE_MS): Promise<Frame> {
    return this.when(() => this.events.find((frame) => frame.id === id) ?? null, `the event ${id}`, timeoutMs);
  }

  async closed(timeoutMs = PATIENCE_MS): Promise<Ending> {
    return within(this.ended, timeoutMs, 'the connection ends');
  }

  send(type: string, data?: unknown, id?: string): void {
    if (id !== undefined) this.sent.set(id, type);
    this.ws.send(
      JSON.stringify({ type, ...(data === undefined ? {} : { data }), ...(id === undefined ? {} : { id }) }),
    );
  }

  sendText(text: string): void {
    this.ws.send(text);
  }

  /** Sends with a new id and resolves with the reply, an error too. */
  async request(type: string, data?: unknown, timeoutMs = PATIENCE_MS): Promise<Frame> {
    const id = this.newId();
    this.send(type, data, id);
    return this.replyTo(id, type, timeoutMs);
  }

  /** The data of the reply of that type. @throws Error when the reply is another. */
  async ask(type: string, data: unknown, reply: string): Promise<Data> {
    const frame = await this.request(type, data);
    if (frame.type !== reply) throw new Error(`${type} was answered ${JSON.stringify(frame)}`);
    return frame.data;
  }

  newId(): string {
    this.lastId += 1;
    return `request-${this.lastId}`;
  }

  replyTo(id: string, what: string, timeoutMs = PATIENCE_MS): Promise<Frame> {
    return this.when(() => this.frames.find((frame) => frame.reply_to === id) ?? null, `a reply to ${what}`, timeoutMs);
  }

  /** Resolves once all that was sent before has been worked on: messages are answered in order. */
  async settled(): Promise<void> {
    await this.ask('ping', undefined, 'pong');
  }

  /** A close in good order by this side. */
  async close(code = 1000): Promise<Ending> {
    this.ws.close(code);
    const timer = setTimeout(() => this.ws.terminate(), 3000);
    try {
      return await this.ended;
    } finally {
      clearTimeout(timer);
    }
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

  private receive(text: string, isBinary: boolean): void {
    const frame = JSON.parse(text) as Frame;
    const request = frame.reply_to === undefined ? null : (this.sent.get(frame.reply_to) ?? null);
    const fault = isBinary ? 'it is binary' : (envelopeFault(frame) ?? this.contract.frameFault(frame, request));
    if (fault !== null) this.faults.push(`${fault}: ${text.slice(0, 1000)}`);
    this.frames.push(frame);
    this.wake();
  }

  private wake(): void {
    for (const watcher of [...this.watchers]) watcher();
  }
}
