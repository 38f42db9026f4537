import { type ChildProcess, spawn as spawnProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis, type RedisOptions } from 'ioredis';
import type { StepClock } from './stepClock.js';

export interface StartRedisOptions {
  /** Default: a free port. */
  port?: number;
  /** Append-only file, synced every second. Default false: nothing survives a restart. */
  appendonly?: boolean;
  /** Further arguments of redis-server. They override those made here. */
  args?: readonly string[];
  /** Working directory. Default: a private one that `stop` removes. A given one stays. */
  dir?: string;
  /** Runs a sentinel: writes its configuration into the directory and returns its path. */
  sentinel?: (dir: string) => string;
  /** A separate wall clock for the server. */
  clock?: StepClock;
}

/** ioredis's constructors are generic over the reply mapping and refuse a bare `RedisOptions`. */
export type ClientOptions = RedisOptions & { replyMapping?: 'legacy' };

/** How long a server may take to answer PING before the start counts as failed. */
const START_DEADLINE_MS = 15_000;
const START_ATTEMPTS = 5;

/** Processes that this process started and that still run. They are ended when it exits early. */
const runningPids = new Set<number>();
const privateDirs = new Set<string>();

function clearAwayAtExit(): void {
  for (const pid of runningPids) {
    try {
      // SIGKILL ends even a stopped (SIGSTOP) server; SIGTERM would wait for SIGCONT.
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      // The server ended in between.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
  for (const dir of privateDirs) rmSync(dir, { recursive: true, force: true });
}

function makePrivateDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'uws-redis-'));
  privateDirs.add(dir);
  return dir;
}

function removePrivateDir(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
  privateDirs.delete(dir);
}

/** A port that is free now. Another process may take it before the caller does: retry on collision. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given by the system');
  return address.port;
}

class PortTaken extends Error {}

/** Waits until the server answers; fails if its process ends first. */
async function untilAnswering(child: ChildProcess, port: number, output: () => string): Promise<void> {
  const probe = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 20, maxRetriesPerRequest: null });
  // Refused until the server listens. The deadline below reports the last error.
  let lastError: unknown;
  probe.on('error', (error: unknown) => {
    lastError = error;
  });
  const timer = setTimeout(() => probe.disconnect(), START_DEADLINE_MS);
  const ended = new AbortController();
  const closed = once(child, 'close', { signal: ended.signal });
  // INFO instead of PING: after losing the race for the port, PING would be answered by another server. INFO has the pid.
  const answer = probe.info('server').then((info) => Number(/process_id:(\d+)/.exec(info)?.[1]));
  try {
    const pid = await Promise.race([answer, closed]);
    if (typeof pid === 'number' && pid === child.pid) return;
    if (typeof pid === 'number') throw new PortTaken(`port ${port} belongs to another server`);
    if (output().includes('Address already in use')) throw new PortTaken(`port ${port} was taken`);
    throw new Error(`redis-server ended at start: ${output()}`);
  } catch (error) {
    if (error instanceof PortTaken) throw error;
    throw new Error(`redis-server does not start: ${String(lastError)}; ${output()}`, { cause: error });
  } finally {
    clearTimeout(timer);
    ended.abort();
    probe.disconnect();
    // One of the two always loses the race; its error does not matter.
    await Promise.allSettled([answer, closed]);
  }
}

/** A private redis-server of a test, on 127.0.0.1. */
export class RedisServer {
  readonly port: number;
  readonly url: string;
  readonly dir: string;
  private readonly options: StartRedisOptions;
  private readonly ownsDir: boolean;
  private readonly clients = new Set<Redis>();
  private child: ChildProcess;

  private constructor(child: ChildProcess, port: number, dir: string, options: StartRedisOptions) {
    this.child = child;
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.dir = dir;
    this.options = options;
    this.ownsDir = options.dir === undefined;
  }

  static async start(options: StartRedisOptions): Promise<RedisServer> {
    const dir = options.dir ?? makePrivateDir();
    for (let attempt = 1; ; attempt += 1) {
      const port = options.port ?? (await freePort());
      try {
        return new RedisServer(await RedisServer.spawn(port, dir, options), port, dir, options);
      } catch (error) {
        if (error instanceof PortTaken && options.port === undefined && attempt < START_ATTEMPTS) continue;
        if (options.dir === undefined) removePrivateDir(dir);
        throw error;
      }
    }
  }

  private static async spawn(port: number, dir: string, options: StartRedisOptions): Promise<ChildProcess> {
    const binary = process.env.REDIS_SERVER ?? 'redis-server';
    const persistence = options.appendonly ? ['--appendonly', 'yes'] : ['--appendonly', 'no'];
    const bind = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--daemonize', 'no'];
    const own = options.sentinel ? [options.sentinel(dir), '--sentinel', ...bind] : null;
    const args = own ?? [
      ...bind,
      '--save',
      '',
      ...persistence,
      '--maxmemory-policy',
      'noeviction',
      ...(options.args ?? []),
    ];
    const env = { ...process.env, ...options.clock?.env };
    const child = spawnProcess(binary, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-4096);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    await once(child, 'spawn');
    const pid = child.pid;
    if (pid === undefined) throw new Error(`${binary} has no pid`);
    if (!process.listeners('exit').includes(clearAwayAtExit)) process.once('exit', clearAwayAtExit);
    runningPids.add(pid);
    child.once('exit', () => runningPids.delete(pid));
    try {
      await untilAnswering(child, port, () => output);
    } catch (error) {
      await end(child, 'SIGKILL');
      throw error;
    }
    return child;
  }

  get pid(): number {
    const pid = this.child.pid;
    if (pid === undefined) throw new Error('redis-server has no pid');
    return pid;
  }

  /** A client that `stop()` closes. It reconnects at once. The test itself causes its connection errors. */
  client(options: ClientOptions = {}): Redis {
    const all: ClientOptions = { retryStrategy: () => 50, ...options, host: '127.0.0.1', port: this.port };
    const client = new Redis(all);
    client.on('error', (error: unknown) => {
      // The test killed or stopped the server itself. Any other error must be seen.
      if (!(error instanceof Error && 'code' in error)) console.error('test redis client:', error);
    });
    client.once('end', () => this.clients.delete(client));
    this.clients.add(client);
    return client;
  }

  /** SIGSTOP: sockets stay open, nothing answers. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  /** SIGCONT. */
  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  /** SIGKILL: the server is gone, its port and directory stay for `restart()`. */
  async kill9(): Promise<void> {
    await end(this.child, 'SIGKILL');
  }

  /**
   * Stops the server cleanly if it runs (an append-only file is synced) and starts it on the same port and directory.
   */
  async restart(): Promise<void> {
    await end(this.child, 'SIGTERM');
    this.child = await RedisServer.spawn(this.port, this.dir, this.options);
  }

  /** Closes the clients, ends the server and removes the private directory. */
  async stop(): Promise<void> {
    for (const client of this.clients) client.disconnect();
    this.clients.clear();
    await end(this.child, 'SIGKILL');
    if (this.ownsDir) removePrivateDir(this.dir);
  }
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // 'close' comes after 'exit' and after the pipes have closed, so nothing keeps the test process alive.
  const closed = once(child, 'close');
  child.kill(signal);
  // A paused server handles SIGTERM only after SIGCONT.
  if (signal === 'SIGTERM') child.kill('SIGCONT');
  await closed;
}

/** Starts a private redis-server (env REDIS_SERVER, else `redis-server` on PATH) and waits until it answers. */
export function startRedis(options: StartRedisOptions = {}): Promise<RedisServer> {
  return RedisServer.start(options);
}
