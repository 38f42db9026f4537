import { fileURLToPath } from 'node:url';
import { Child } from './child.js';
import type { Spread } from './stats.js';

const NODE_READER = fileURLToPath(new URL('../readerMain.js', import.meta.url));
const CONNECT_MS = 60_000;
const CLOSE_MS = 15_000;

export interface ReaderOptions {
  /** The compiled reader; null: the one in Node.js. */
  readonly program: string | null;
  readonly port: number;
  /** Made by requests.ts. */
  readonly requests: string;
  /** Connects under way at a time. */
  readonly concurrency: number;
  /** Connects per second; default: as fast as it goes. */
  readonly rate?: number;
  /** Frames that the server sends on its own before a connection counts as connected. */
  readonly greetings: number;
  /** Of every n-th connection the latency is read; 0: of none. */
  readonly sampleEvery?: number;
  /** Sent after the upgrade. */
  readonly after?: Buffer;
}

export interface Connected {
  readonly connected: number;
  readonly failed: number;
  readonly ms: number;
  /** From connect(2) to the last greeting, milliseconds. */
  readonly establishTimes: Spread | null;
}

export interface Counted {
  readonly open: number;
  /** Connections that have received all that was awaited. */
  readonly complete: number;
  readonly frames: number;
  readonly bytes: number;
  readonly reads: number;
  /** Of the reads, monotonic ms. */
  readonly first: number;
  readonly last: number;
  readonly latency: Spread | null;
  /** Connections that ended, by close code; 1006: without a close frame. */
  readonly closes: Readonly<Record<string, number>>;
}

/** The receiving side: a process of its own that opens the connections and counts what arrives. */
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

  /** @throws Error when not all could connect. */
  async connect(): Promise<Connected> {
    const answer = this.child.event('connected', CONNECT_MS);
    this.child.send('connect');
    const result = (await answer) as unknown as Connected;
    if (result.failed > 0) throw new Error(`${result.failed} connects failed: ${this.child.stderr}`);
    return result;
  }

  /** Counts from now on; resolves when every connection has received `frames` frames, or with what came in time. */
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

  /** Closes the connections in good order. */
  async close(): Promise<Counted> {
    const answer = this.child.event('closed', CLOSE_MS);
    this.child.send('close');
    return (await answer) as unknown as Counted;
  }

  async stop(): Promise<void> {
    await this.child.stop('SIGKILL');
  }
}
