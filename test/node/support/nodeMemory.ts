import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { within } from '../../support/wait.js';

export type ChildOrder = 'memory' | 'stall' | 'stop';

/** Bytes, after garbage collection. */
export interface Memory {
  readonly heapUsed: number;
  readonly rss: number;
  /** What the buffers in use hold. */
  readonly arrayBuffers: number;
}

/** What two measurements came to at most. */
export function larger(one: Memory, other: Memory): Memory {
  return {
    heapUsed: Math.max(one.heapUsed, other.heapUsed),
    rss: Math.max(one.rss, other.rss),
    arrayBuffers: Math.max(one.arrayBuffers, other.arrayBuffers),
  };
}

/** The longest time, ms, for which the event loop was busy with one thing since this was asked last. */
export interface Stall {
  readonly busyMs: number;
}

export type ChildAnswer = { readonly port: number } | Memory | Stall;

export interface NodeMemoryOptions {
  /** Gets what the process writes to stdout and stderr. Default: both are the test's own. */
  readonly onOutput?: (text: string) => void;
}

const PATIENCE_MS = 15_000;

/** A node in a process of its own, whose memory can be read after a garbage collection. */
export class NodeMemory {
  readonly port: number;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.port = port;
  }

  static async start(env: Readonly<Record<string, string>>, { onOutput }: NodeMemoryOptions = {}): Promise<NodeMemory> {
    const { PATH = '', HOME = '' } = process.env;
    const child = fork(fileURLToPath(new URL('./nodeChild.js', import.meta.url)), [], {
      execArgv: ['--expose-gc'],
      env: { PATH, HOME, HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'silent', ...env },
      silent: onOutput !== undefined,
    });
    if (onOutput) {
      for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', onOutput);
    }
    const first = (await within(once(child, 'message'), PATIENCE_MS, 'the node serves'))[0] as ChildAnswer;
    if (!('port' in first)) throw new Error('the node did not say where it listens');
    return new NodeMemory(child, first.port);
  }

  /** For `TestClient`. */
  get ws(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  get http(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async memory(): Promise<Memory> {
    return (await this.ask('memory')) as Memory;
  }

  /** Not counting what `memory` costs. */
  async stall(): Promise<Stall> {
    return (await this.ask('stall')) as Stall;
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.child, 'close');
    this.order('stop');
    await within(ended, PATIENCE_MS, 'the node ends');
  }

  private async ask(order: ChildOrder): Promise<ChildAnswer> {
    const answer = within(once(this.child, 'message'), PATIENCE_MS, `the node answers to ${order}`);
    this.order(order);
    return (await answer)[0] as ChildAnswer;
  }

  private order(order: ChildOrder): void {
    this.child.send(order);
  }
}
