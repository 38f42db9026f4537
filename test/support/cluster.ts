import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { NodeLog, type NodeRecord } from './nodeLog.js';
import { TEST_SECRET } from './tokens.js';
import { until, within } from './wait.js';

/** UWS_NODE_MAIN: another build of the node, to see a test fail when a rule is missing. */
export const CURRENT_MAIN =
  process.env.UWS_NODE_MAIN ?? fileURLToPath(import.meta.resolve('@unified-ws/server/unified-ws-node'));

/** Limits a wait, not a measurement: on a busy machine a start takes long. */
const START_DEADLINE_MS = 60_000;
/** A node ends within 10 s of SIGTERM (G5). */
const STOP_DEADLINE_MS = 12_000;

const runningPids = new Set<number>();

function killAtExit(): void {
  for (const pid of runningPids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      // The process ended in between.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

export interface NodeProcessOptions {
  readonly id: string;
  readonly env: Readonly<Record<string, string>>;
  /** Receives every record of the log, of all lives of the node. Without it they are kept in `log.records`. */
  readonly onRecord?: (record: NodeRecord) => void;
  /** Path of another build's `main.js`. */
  readonly main?: string;
  /** A module that is loaded before the node. */
  readonly preload?: string;
}

/** A cluster node as a process of its own: `main.js` with environment variables. */
export class NodeProcess {
  readonly id: string;
  readonly log: NodeLog;
  private readonly env: Readonly<Record<string, string>>;
  private main: string;
  private readonly preload: readonly string[];
  private child: ChildProcess | null = null;

  constructor({ id, env, onRecord, main = CURRENT_MAIN, preload }: NodeProcessOptions) {
    this.id = id;
    this.env = env;
    this.main = main;
    this.preload = preload === undefined ? [] : ['--import', preload];
    this.log = new NodeLog(onRecord);
  }

  get pid(): number {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error(`${this.id} is not running`);
    return pid;
  }

  get isRunning(): boolean {
    return this.child !== null;
  }

  /** Chosen by the system, so that it never collides; a new one after each start. After a kill: that of the last life. */
  get port(): number {
    if (this.log.port === null) throw new Error(`${this.id} never listened`);
    return this.log.port;
  }

  /** For `TestClient`. */
  get ws(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  get http(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /**
   * Resolves when the node listens.
   *
   * @param main of another build, used from now on.
   */
  async start(main = this.main): Promise<void> {
    if (this.child) throw new Error(`${this.id} is running`);
    this.main = main;
    const { listens } = this.log;
    const child = spawn(process.execPath, [...this.preload, this.main], {
      env: { ...baseEnv(), ...this.env, NODE_ID: this.id },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    const { pid } = child;
    if (pid !== undefined) runningPids.add(pid);
    if (!process.listeners('exit').includes(killAtExit)) process.once('exit', killAtExit);
    child.once('exit', () => {
      if (pid !== undefined) runningPids.delete(pid);
      if (this.child === child) this.child = null;
    });
    this.log.read(child.stdout);
    child.stderr.on('data', (chunk: Buffer) => this.log.complain(String(chunk)));
    await until(() => this.log.listens > listens || child.exitCode !== null, {
      timeoutMs: START_DEADLINE_MS,
      what: `${this.id} listens`,
    });
    if (child.exitCode !== null) throw new Error(`${this.id} ended: ${this.log.complaints.join('\n')}`);
  }

  /** Resolves when `/readyz` answers 200. */
  async ready(timeoutMs = START_DEADLINE_MS): Promise<void> {
    await until(async () => (await this.readiness()) === 200, {
      timeoutMs,
      everyMs: 20,
      what: () => `${this.id} is ready; ${this.log.complaints.slice(-5).join('\n')}`,
    });
  }

  /** The status of `/readyz`; 0 if there is no answer within a second. */
  async readiness(): Promise<number> {
    if (!this.isRunning) return 0;
    try {
      const response = await fetch(`${this.http}/readyz`, { signal: AbortSignal.timeout(1000) });
      await response.arrayBuffer();
      return response.status;
    } catch (error) {
      // A paused node does not answer and a killed one refuses. Both mean status 0.
      if (error instanceof Error) return 0;
      throw error;
    }
  }

  /** SIGSTOP: sockets stay open, nothing runs. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  /** SIGCONT. */
  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  async kill9(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** SIGTERM; resolves with the exit code. @throws Error if the process had to be killed. */
  async stop(): Promise<number | null> {
    return this.end('SIGTERM');
  }

  private async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const { child } = this;
    if (!child) return null;
    // 'close' comes after the last line of the log.
    const closed = once(child, 'close');
    child.kill(signal);
    if (signal === 'SIGTERM') {
      // A paused process handles SIGTERM only after SIGCONT.
      child.kill('SIGCONT');
      try {
        await within(closed, STOP_DEADLINE_MS, `${this.id} ends after SIGTERM`);
      } catch (error) {
        child.kill('SIGKILL');
        await closed;
        throw error;
      }
    }
    await closed;
    this.log.guard.assertClean();
    return child.exitCode;
  }
}

export interface ClusterOptions {
  /** URL of Redis for all nodes, or for each node by number. */
  readonly redisUrl: string | ((node: number) => string);
  /** Default 3. */
  readonly nodes?: number;
  /** In addition to the defaults of the tests (LOG_LEVEL=trace, EVENT_QUEUE_PARTITIONS=2, PORT=0, JWT_SECRET=TEST_SECRET). */
  readonly env?: Readonly<Record<string, string>>;
  /** What differs by node. */
  readonly envOf?: (index: number) => Readonly<Record<string, string>>;
  readonly onRecord?: (node: number, record: NodeRecord) => void;
  /** Path of another build's `main.js`, for all nodes or for each node by number. */
  readonly main?: string | ((node: number) => string);
}

/** Nodes `n1`, `n2`, … over one Redis. */
export class Cluster {
  readonly nodes: readonly NodeProcess[];

  private constructor(nodes: readonly NodeProcess[]) {
    this.nodes = nodes;
  }

  /** Resolves when all are ready. */
  static async start({ redisUrl, nodes = 3, env = {}, envOf, onRecord, main }: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(
      Array.from({ length: nodes }, (_, index) => {
        const url = typeof redisUrl === 'string' ? redisUrl : redisUrl(index);
        const build = main === undefined ? {} : { main: typeof main === 'string' ? main : main(index) };
        const options = { id: `n${index + 1}`, env: { ...env, ...envOf?.(index), REDIS_URL: url }, ...build };
        return new NodeProcess(onRecord ? { ...options, onRecord: (record) => onRecord(index, record) } : options);
      }),
    );
    try {
      await Promise.all(cluster.nodes.map((node) => node.start()));
      await cluster.ready();
    } catch (error) {
      await cluster.kill();
      throw error;
    }
    return cluster;
  }

  /** The node by number, from 0. */
  node(index: number): NodeProcess {
    const node = this.nodes[index];
    if (!node) throw new Error(`there is no node ${index}`);
    return node;
  }

  async ready(timeoutMs?: number): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.ready(timeoutMs)));
  }

  /** Starts a killed or stopped node again under the same id, with `main` as its build from now on. */
  async restart(index: number, main?: string): Promise<void> {
    const node = this.node(index);
    await node.start(main);
    await node.ready();
  }

  /** SIGTERM to all. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  /** SIGKILL to all, also to paused ones; for teardown. */
  async kill(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill9()));
  }
}

/** A test inherits no settings from the environment, only what a process needs to run, and the queue mode of `npm run test:deep`. */
function baseEnv(): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR = '/tmp' } = process.env;
  return {
    PATH,
    HOME,
    TMPDIR,
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'trace',
    EVENT_QUEUE: process.env.TEST_EVENT_QUEUE ?? 'auto',
    EVENT_QUEUE_PARTITIONS: '2',
    JWT_SECRET: TEST_SECRET,
  };
}
