import type { Received } from '../../../support/client.js';
import { TestClient } from '../../../support/client.js';
import { until } from '../../../support/wait.js';
import { type Expectation, expectationOf } from './expectation.js';
import { leakIn } from './leaks.js';
import { faultOfFrame } from './strictSchemas.js';

export interface FuzzPeerOptions {
  readonly ws: string;
  readonly token: string;
  readonly secrets: readonly string[];
  /** Bytes: what is longer ends the connection with 1009. */
  readonly maxPayload: number;
  /** Tells of what must not be. */
  readonly onFinding: (finding: string) => void;
  /** Gets the reply to each message, errors too. */
  readonly onReply: (frame: Received) => void;
}

/** A message on its way, and what came between its mark and that of the message before. */
interface Pending {
  readonly text: string;
  readonly mark: string;
  readonly frames: Received[];
}

/** Messages on their way at once. */
const WINDOW = 8;
const PATIENCE_MS = 30_000;
/** What the server says without being asked. */
const UNASKED: ReadonlySet<string> = new Set(['heartbeat', 'gap', 'rate_limited', 'token_expiring', 'server_draining']);

/**
 * Sends anything and checks the answers. Behind each message goes a ping with an id of its own, its mark: messages are answered in
 * order, so what comes before the pong answers the message, and a good message between two bad ones keeps the connection open.
 */
export class FuzzPeer {
  private readonly options: FuzzPeerOptions;
  private client: TestClient | null = null;
  private permissions: ReadonlySet<string> = new Set();
  private pending: Pending[] = [];
  private sent = 0;
  /** Replies by type, and errors by code: what a run really met. */
  readonly met = new Map<string, number>();

  constructor(options: FuzzPeerOptions) {
    this.options = options;
  }

  async connect(): Promise<void> {
    const { ws, token } = this.options;
    const client = new TestClient(ws, { token, keep: false, onFrame: (frame) => this.take(frame) });
    const establishedData = await client.established();
    this.permissions = new Set(establishedData.permissions);
    this.client = client;
    void client.ended.then(({ code, reason }) => {
      if (this.client !== client) return;
      this.client = null;
      const last = this.pending.map(({ text }) => shown(text)).join(' ');
      this.pending = [];
      this.options.onFinding(`the connection ended with ${code} ${reason} while these were on their way: ${last}`);
    });
  }

  /** Resolves when all are answered. */
  async send(texts: readonly string[]): Promise<void> {
    for (const text of texts) {
      // As it goes over the wire: there are no lone surrogates in UTF-8.
      const bytes = Buffer.from(text);
      if (bytes.length > this.options.maxPayload) await this.sendTooLarge(text);
      else await this.sendOne(bytes.toString());
    }
    await this.answered(0);
  }

  async close(): Promise<void> {
    const { client } = this;
    this.client = null;
    await client?.close();
  }

  private async sendOne(text: string): Promise<void> {
    await this.answered(WINDOW - 1);
    if (this.client === null) await this.connect();
    this.sent += 1;
    const mark = `mark-${this.sent}`;
    this.pending.push({ text, mark, frames: [] });
    this.client?.ws.send(text);
    this.client?.send('ping', undefined, mark);
  }

  /** Ends the connection, so nothing else may be on its way. */
  private async sendTooLarge(text: string): Promise<void> {
    await this.answered(0);
    if (this.client === null) await this.connect();
    const client = this.client as TestClient;
    this.client = null;
    client.ws.send(text);
    const { code } = await client.closed(PATIENCE_MS);
    if (code !== 1009) this.options.onFinding(`a message of ${Buffer.byteLength(text)} bytes ended with ${code}`);
  }

  private async answered(left: number): Promise<void> {
    await until(() => this.pending.length <= left, {
      timeoutMs: PATIENCE_MS,
      everyMs: 1,
      what: () => `an answer to ${shown(this.pending[0]?.text ?? '')}`,
    });
  }

  private take(frame: Received): void {
    const { at: _, ...received } = frame;
    const [head] = this.pending;
    const text = JSON.stringify(received);
    const leak = leakIn(text, this.options.secrets, head?.text ?? '');
    const fault = faultOfFrame(received) ?? leak;
    if (fault !== null) this.options.onFinding(`${fault} in ${shown(text)}, the answer to ${shown(head?.text ?? '')}`);
    const { scope, type, data, reply_to } = frame;
    if (scope !== undefined || UNASKED.has(type) || type === 'connection_established') return;
    if (type === 'subscription_updated' && data.reason !== undefined) return;
    if (head === undefined) this.options.onFinding(`nobody asked for ${shown(text)}`);
    else if (reply_to === head.mark && type === 'pong') this.check(head);
    else head.frames.push(frame);
  }

  private check(message: Pending): void {
    this.pending.shift();
    const expected = expectationOf(message.text, this.permissions);
    const fault = misfit(message.frames, expected);
    if (fault !== null) {
      this.options.onFinding(`${fault}: ${shown(message.text)} was answered ${shown(JSON.stringify(message.frames))}`);
    }
    for (const frame of message.frames) {
      const kind = String(frame.data.error_code ?? frame.type);
      this.met.set(kind, (this.met.get(kind) ?? 0) + 1);
      if (frame.type === 'token_refreshed') this.permissions = new Set(frame.data.permissions as string[]);
      this.options.onReply(frame);
    }
  }
}

function misfit(frames: readonly Received[], { reply, errors, replyTo }: Expectation): string | null {
  if (frames.length > 1) return `${frames.length} answers instead of one`;
  const [frame] = frames;
  if (frame === undefined) return reply === null ? null : 'no answer';
  if (frame.reply_to !== replyTo) return `reply_to is ${frame.reply_to} instead of ${replyTo}`;
  if (frame.type === reply) return null;
  const { error_code: code, recoverable } = frame.data;
  if (!['error', 'validation_error'].includes(frame.type)) return `${frame.type} instead of ${reply ?? errors.join()}`;
  if (!errors.some((allowed) => allowed === code)) return `the error ${code} instead of ${reply ?? errors.join()}`;
  return recoverable === true ? null : 'the connection goes on, and is said not to';
}

export function shown(text: string): string {
  return text.length <= 600 ? text : `${text.slice(0, 500)}… (${text.length} characters)`;
}
