import { fileURLToPath } from 'node:url';
import { Child } from './child.js';
import type { Spread } from './stats.js';

const NODE_READER = fileURLToPath(new URL('../readerMain.js', import.meta.url));
const CONNECT_MS = 60_000;
const CLOSE_MS = 15_000;

export interface ReaderOptions {
  /** The compiled reader; null: use the one in Node.js. */
  readonly program: string | null;
  readonly port: number;
  /** Made by requests.ts. */
  readonly requests: string;
  /** Simultaneous connects. */
  readonly concurrency: number;
  /** Connects per second; default: as fast as possible. */
  readonly rate?: number;
  /** Unrequested frames of the server before a connection counts as connected. */
  readonly greetings: number;
  /** The latency is read on every n-th connection; 0: on none. */
  readonly sampleEvery?: number;
  /** Sent after the upgrade. */
  readonly after?: Buffer;
}

export interface Connected {
  readonly connected: number;
  readonly failed: number;
  readonly ms: number;
  /** From connect(2) to the last frame of the greeting, milliseconds. */
  readonly establishTimes: Spread | null;
}

export interface Counted {
  readonly open: number;
  /** Connections that have received everything expected. */
  readonly complete: number;
  readonly frames: number;
  readonly bytes: number;
  readonly reads: number;
  /** Times of the reads, monotonic ms. */
  readonly first: number;
  readonly last: number;
  readonly latency: Spread | null;
  /** Connections that ended, by close code; 1006: without a close frame. */
  readonly closes: Readonly<Record<string, number>>;
}

/** The receiving side: a separate process that opens the connections and counts what arrives. */
export class Reader {
  private readonly child: Child;

  constructor({ program, port, requests, concurrency, rate = 0, greetings, sampleEvery = 0, after }: ReaderOptions) {
    const numbers = [concurrency, rate, greetings, sampleEvery].map(String);
    const args = [String(port), requests, ...numbers, ...(after ? [after.toString('hex')] : [])];
    this.child = program
      ? new Child('reader', program, args)
      : new Child('reader', process.execPath, [NODE_READER, ...args]);
  }

  get cpuMs(): number {
    return this.child.cpuMs;
  }

  /** @throws Error unless all could connect. */
  async connect(): Promise<Connected> {
    const answer = this.child.event('connected', CONNECT_MS);
    this.child.send('connect');
    const result = (await answer) as unknown as Connected;
    if (result.failed > 0) throw new Error(`${result.failed} connects failed: ${this.child.stderr}`);
    return result;
  }

  /** Counts from now on. Resolves when every connection has received `frames` frames, or with what came in time. */
  async count(frames: number, timeoutMs: number): Promise<Counted> {
    const counted = this.child.event('counted', timeoutMs);
    this.child.send(`count ${frames}`);
    return counted.then((line) => line as unknown as Counted).catch(() => this.report());
  }

  async report(): Promise<Counted> {
    const answer = this.child.event('report', CLOSE_MS);
    this.child.send('report');
    return (await answer) as unknown as Counted;
  }

  /** Closes the connections with a close frame. */
  async close(): Promise<Counted> {
    const answer = this.child.event('closed', CLOSE_MS);
    this.child.send('close');
    return (await answer) as unknown as Counted;
  }

  async stop(): Promise<void> {
    await this.child.stop('SIGKILL');
  }
}
