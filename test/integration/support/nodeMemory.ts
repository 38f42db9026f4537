import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { within } from '../../support/wait.js';

export type ChildOrder = 'memory' | 'stop';

/** Bytes, after garbage collection. */
export interface Memory {
  readonly heapUsed: number;
  readonly rss: number;
  /** What the buffers in use hold. */
  readonly arrayBuffers: number;
}

export type ChildAnswer = { readonly port: number } | Memory;

const PATIENCE_MS = 15_000;

/** A node in a process of its own, whose memory can be read after a garbage collection. */
export class NodeMemory {
  readonly port: number;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.port = port;
  }

  static async start(env: Readonly<Record<string, string>>): Promise<NodeMemory> {
    const { PATH = '', HOME = '' } = process.env;
    const child = fork(fileURLToPath(new URL('./nodeChild.js', import.meta.url)), [], {
      execArgv: ['--expose-gc'],
      env: { PATH, HOME, HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'silent', ...env },
    });
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
    const answer = within(once(this.child, 'message'), PATIENCE_MS, 'the node tells its memory');
    this.order('memory');
    return (await answer)[0] as Memory;
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.child, 'close');
    this.order('stop');
    await within(ended, PATIENCE_MS, 'the node ends');
  }

  private order(order: ChildOrder): void {
    this.child.send(order);
  }
}
