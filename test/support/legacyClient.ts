import type { LegacyGroup } from '@unified-ws/protocol';
import { systemClock } from '@unified-ws/server/util/clock';
import { WebSocket } from 'ws';
import { within } from './wait.js';

const PATIENCE_MS = 10_000;

/** A frame as an old client reads it: JSON, or text where JSON was never promised. */
export interface LegacyFrame {
  readonly type: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly timestamp?: string;
  /** As received. */
  readonly text: string;
  /** Monotonic ms. */
  readonly at: number;
}

export interface LegacyEnding {
  readonly code: number;
  readonly reason: string;
  /** Status of a refused upgrade; null if it was accepted. */
  readonly status: number | null;
  readonly at: number;
}

export interface LegacyClientOptions {
  /** Sent in the query, as old clients do; absent: none. */
  readonly token?: string;
  /** Path instead of `/ws/<group>`. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A client of a legacy endpoint that speaks exactly its protocol (docs/MIGRATION.md) and knows nothing of the present one. */
export class LegacyClient {
  readonly ws: WebSocket;
  readonly frames: LegacyFrame[] = [];
  /** Never rejects. */
  readonly ended: Promise<LegacyEnding>;
  ending: LegacyEnding | null = null;
  private readonly watchers = new Set<() => void>();
  private status: number | null = null;

  /** @param url `ws://host:port`. */
  constructor(url: string, group: LegacyGroup | (string & {}), options: LegacyClientOptions = {}) {
    const { token, path = `/ws/${group}`, headers = {} } = options;
    const query = token === undefined ? '' : `?token=${encodeURIComponent(token)}`;
    this.ws = new WebSocket(`${url}${path}${query}`, { headers, perMessageDeflate: false });
    this.ws.on('unexpected-response', (_request, refused) => {
      this.status = refused.statusCode ?? null;
      refused.resume();
      // A listener of this event must end the socket itself; otherwise `close` never comes.
      this.ws.terminate();
    });
    // `close` follows each error and has the code.
    let failure = '';
    this.ws.on('error', (error) => {
      failure = error.message;
    });
    this.ws.on('message', (data) => {
      this.frames.push(read(String(data)));
      this.wake();
    });
    this.ended = new Promise((resolve) => {
      this.ws.on('close', (code, reason) => {
        this.ending = { code, reason: reason.toString() || failure, status: this.status, at: systemClock.mono() };
        resolve(this.ending);
        this.wake();
      });
    });
  }

  get isOpen(): boolean {
    return this.ws.readyState === WebSocket.OPEN;
  }

  /** The list of `connection_established`. @throws Error with the close code if the connection ends first. */
  async established(): Promise<readonly string[]> {
    const { data } = await this.waitFor('connection_established');
    return data?.subscribed_events as readonly string[];
  }

  /** The first frame that matches type and condition, including frames already received. */
  async waitFor(type: string, fits: (frame: LegacyFrame) => boolean = () => true): Promise<LegacyFrame> {
    let watcher: (() => void) | undefined;
    const found = new Promise<LegacyFrame>((resolve, reject) => {
      watcher = () => {
        const frame = this.frames.find((one) => one.type === type && fits(one));
        if (frame) resolve(frame);
        else if (this.ending) reject(new Error(`ended before ${type}: ${JSON.stringify(this.ending)}`));
      };
      this.watchers.add(watcher);
      watcher();
    });
    try {
      return await within(found, PATIENCE_MS, type);
    } finally {
      if (watcher) this.watchers.delete(watcher);
    }
  }

  /** Types of all frames so far. */
  get types(): string[] {
    return this.frames.map(({ type }) => type);
  }

  send(message: unknown): void {
    this.ws.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** Sends, and resolves with the next later frame of the type. */
  async ask(message: unknown, reply: string): Promise<LegacyFrame> {
    const before = this.frames.length;
    this.send(message);
    return this.waitFor(reply, (frame) => this.frames.indexOf(frame) >= before);
  }

  /** When it resolves, everything sent to this client before the call has arrived. */
  async settled(): Promise<void> {
    await this.ask({ type: 'ping' }, 'pong');
  }

  async closed(): Promise<LegacyEnding> {
    return within(this.ended, PATIENCE_MS, 'the legacy connection ends');
  }

  terminate(): void {
    this.ws.terminate();
  }

  private wake(): void {
    for (const watcher of [...this.watchers]) watcher();
  }
}

function read(text: string): LegacyFrame {
  const at = systemClock.mono();
  if (!text.startsWith('{')) return { type: text, text, at };
  return { ...(JSON.parse(text) as Omit<LegacyFrame, 'text' | 'at'>), text, at };
}
