import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { cpuMs, rssBytes } from './procfs.js';

const STOP_MS = 12_000;

const running = new Set<ChildProcess>();

/** Ends all child processes that still run when the bench is interrupted. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

export type Line = Readonly<Record<string, unknown>>;

interface Waiter {
  readonly matches: (line: Line) => boolean;
  readonly resolve: (line: Line) => void;
}

/** A process of a measurement. It reports by lines of JSON on its standard output. */
export class Child {
  readonly name: string;
  private readonly child: ChildProcess;
  private readonly waiters = new Set<Waiter>();
  private complaints = '';

  constructor(name: string, command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.name = name;
    // A measured process inherits no settings from the environment.
    const { PATH = '', HOME = '', TMPDIR = '/tmp' } = process.env;
    const child = spawn(command, args, { env: { PATH, HOME, TMPDIR, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    running.add(child);
    child.once('close', () => running.delete(child));
    child.on('error', (error) => this.complain(error.message));
    child.stdin?.on('error', (error) => this.complain(error.message));
    child.stderr?.on('data', (chunk: Buffer) => this.complain(chunk.toString()));
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => this.read(line));
  }

  get pid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error(`${this.name} did not start: ${this.complaints}`);
    return pid;
  }

  /** The newest 4 kB of its standard error. */
  get stderr(): string {
    return this.complaints;
  }

  get cpuMs(): number {
    return cpuMs(this.pid);
  }

  get rssBytes(): number {
    return rssBytes(this.pid);
  }

  /** The next line that matches. Call this before the action that causes the line. */
  async line(matches: (line: Line) => boolean, timeoutMs: number): Promise<Line> {
    let waiter: Waiter | undefined;
    let timer: NodeJS.Timeout | undefined;
    let onExit: (() => void) | undefined;
    try {
      return await new Promise<Line>((resolve, reject) => {
        waiter = { matches, resolve };
        this.waiters.add(waiter);
        onExit = () => reject(new Error(`${this.name} ended: ${this.complaints}`));
        this.child.once('close', onExit);
        timer = setTimeout(() => reject(new Error(`${this.name} said nothing for ${timeoutMs} ms`)), timeoutMs);
      });
    } finally {
      clearTimeout(timer);
      if (onExit) this.child.off('close', onExit);
      if (waiter) this.waiters.delete(waiter);
    }
  }

  event(name: string, timeoutMs: number): Promise<Line> {
    return this.line((line) => line.event === name, timeoutMs);
  }

  send(command: string): void {
    this.child.stdin?.write(`${command}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Sends SIGTERM, and SIGKILL if the process does not end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!running.has(this.child)) return;
    const closed = once(this.child, 'close');
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await closed;
    clearTimeout(timer);
  }

  private complain(text: string): void {
    this.complaints = (this.complaints + text).slice(-4096);
  }

  private read(text: string): void {
    if (!text.startsWith('{')) {
      this.complain(`${text}\n`);
      return;
    }
    const line = JSON.parse(text) as Line;
    // Warnings and errors of a measured server become part of the message of a failed run.
    if (line.level === 'error' || line.level === 'warn') this.complain(`${String(line.msg)}\n`);
    for (const waiter of this.waiters) if (waiter.matches(line)) waiter.resolve(line);
  }
}
