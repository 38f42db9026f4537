import cluster, { type Worker } from 'node:cluster';
import type { Logger } from './observability/log/logger.js';
import type { Settings } from './settings/settings.js';
import { withTimeout } from './util/withTimeout.js';

/** Delay before a dead worker is started again, milliseconds: a fault at start must not become a busy loop. */
const RESTART_MS = 1000;
/** The delay doubles, up to a limit, for each worker that lived less than this, milliseconds. */
const LIVED_MS = 30_000;
const MAX_RESTART_MS = 30_000;
/** Workers that have not ended after this, milliseconds, are killed: the container ends within 10 s of SIGTERM. */
const STOP_MS = 9000;
const ASK_MS = 2000;

/** Questions to the processes. `reload` is an order of the primary. */
type Question = 'ready' | 'metrics' | 'reload';

interface Asked {
  readonly ask: Question;
  readonly id: number;
}
interface Report {
  readonly tell: number;
  readonly answer: unknown;
}

/** A worker's access to the processes that share its port. */
export interface Siblings {
  /** The answers of all processes, including this one; null for one that did not answer in time. */
  ask(question: Question): Promise<readonly { readonly nodeId: string; readonly answer: unknown }[]>;
}

/** The answers of this process. */
export type Answers = Readonly<Record<Question, () => unknown | Promise<unknown>>>;

/** The id of the n-th process of a container. */
function workerNodeId(nodeId: string, index: number): string {
  return `${nodeId}-${index}`;
}

/**
 * The primary of NODES processes that share one port. It starts them, restarts dead ones, passes questions between them, and ends them
 * all. It serves no clients; each worker is a full node.
 */
export class ProcessGroup {
  private readonly settings: Settings;
  private readonly logger: Logger;
  private readonly workers = new Map<number, Worker>();
  /** Number of consecutive early deaths, by worker. */
  private readonly earlyDeaths = new Map<number, number>();
  private readonly restarts = new Set<NodeJS.Timeout>();
  private stopping = false;
  private questions = 0;
  private readonly open = new Map<number, (answer: unknown) => void>();

  constructor(settings: Settings, logger: Logger) {
    this.settings = settings;
    this.logger = logger;
  }

  start(): void {
    // A flag overrides the environment, which gives each worker its own id.
    cluster.setupPrimary({ args: withoutFlags(process.argv.slice(2), ['--node-id', '--nodes']) });
    for (let index = 1; index <= this.settings.nodes; index += 1) this.fork(index);
  }

  /**
   * Makes every worker read its event catalogue again. Not by a signal, which would end a worker that is just starting. Such a worker reads
   * the file anyway.
   */
  async reload(): Promise<void> {
    await Promise.all([...this.workers.values()].map((worker) => this.ask(worker, 'reload')));
  }

  /** Ends every worker, by SIGTERM and then by SIGKILL. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const timer of this.restarts) clearTimeout(timer);
    const ended = [...this.workers.values()].map(
      (worker) =>
        new Promise<void>((resolve) => {
          worker.once('exit', () => resolve());
          worker.process.kill('SIGTERM');
        }),
    );
    const timer = setTimeout(() => {
      for (const worker of this.workers.values()) worker.process.kill('SIGKILL');
    }, STOP_MS);
    await Promise.all(ended);
    clearTimeout(timer);
  }

  private fork(index: number): void {
    const startedAt = performance.now();
    const worker = cluster.fork({ NODE_ID: workerNodeId(this.settings.nodeId, index), NODES: '1' });
    this.workers.set(index, worker);
    worker.on('message', (message: Partial<Asked & Report>) => {
      if (message.ask !== undefined && message.id !== undefined) void this.carry(worker, message.ask, message.id);
      else if (message.tell !== undefined) this.open.get(message.tell)?.(message.answer);
    });
    const ended = (how: object): void => {
      if (this.workers.get(index) !== worker) return;
      this.workers.delete(index);
      if (!this.stopping) this.restart(index, performance.now() - startedAt, how);
    };
    // A message to a worker that was just killed (EPIPE), also one of node:cluster. Without a listener this would end the process and all
    // workers. A worker that could not be started reports only by this event.
    worker.on('error', (error: Error) => {
      this.logger.warn(
        { worker: index, err: error },
        'a node process could not be started, or did not receive a message',
      );
      if (worker.process.pid === undefined) ended({ error: error.message });
    });
    worker.on('exit', (code, signal) => ended({ code, signal }));
  }

  /** @param lived milliseconds. */
  private restart(index: number, lived: number, how: object): void {
    const early = lived < LIVED_MS ? (this.earlyDeaths.get(index) ?? 0) + 1 : 0;
    this.earlyDeaths.set(index, early);
    const after = Math.min(MAX_RESTART_MS, RESTART_MS * 2 ** Math.max(0, early - 1));
    this.logger.error({ worker: index, ...how, restart_ms: after }, 'a node process ended and is restarted');
    const timer = setTimeout(() => {
      this.restarts.delete(timer);
      try {
        this.fork(index);
      } catch (error) {
        // No memory for another process: treated like a death at once.
        this.restart(index, 0, { error: String(error) });
      }
    }, after);
    this.restarts.add(timer);
  }

  /** A message that cannot be delivered is treated like an unanswered one: the process that asked has a deadline. */
  private tell(worker: Worker, message: Asked | Report): void {
    if (!worker.isConnected()) return;
    worker.send(message, (error: Error | null) => {
      if (error) this.logger.debug({ worker: worker.id, err: error }, 'a message to a node process was not delivered');
    });
  }

  private async carry(from: Worker, question: Question, id: number): Promise<void> {
    const answers = await Promise.all(
      Array.from({ length: this.settings.nodes }, async (_, i) => {
        const worker = this.workers.get(i + 1);
        const answer = worker ? await this.ask(worker, question) : null;
        return { nodeId: workerNodeId(this.settings.nodeId, i + 1), answer };
      }),
    );
    this.tell(from, { tell: id, answer: answers });
  }

  private ask(worker: Worker, question: Question): Promise<unknown> {
    this.questions += 1;
    const id = this.questions;
    const answer = new Promise<unknown>((resolve) => {
      this.open.set(id, resolve);
      if (worker.isConnected()) this.tell(worker, { ask: question, id });
      else resolve(null);
    });
    return withTimeout(answer, ASK_MS, null).finally(() => this.open.delete(id));
  }
}

/** Drops `--flag value` and `--flag=value`. */
function withoutFlags(args: readonly string[], flags: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] as string;
    if (flags.includes(arg)) i += 1;
    else if (!flags.some((flag) => arg.startsWith(`${flag}=`))) kept.push(arg);
  }
  return kept;
}

/**
 * The worker's side: answers the primary's questions and asks its own.
 *
 * @param onOrphaned called when the primary is gone for any reason; nothing else would end this process.
 */
export function joinProcessGroup(answers: Answers, onOrphaned: () => void): Siblings {
  let questions = 0;
  const open = new Map<number, (answer: unknown) => void>();
  // When a worker loses its primary, a listener of node:cluster that comes first ends it at once (exit 0), unless the worker was asked to
  // leave. This flag says so, and does nothing else. Otherwise connections would end without a close frame, and claims and lease would
  // expire. See lib/internal/cluster/child.js of Node.js 20 to 24.
  if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
  process.once('disconnect', onOrphaned);
  const tell = (message: Asked | Report): void => {
    if (!process.connected) return;
    // Without a callback, a primary that has just died would cause an `error` event that ends this process.
    process.send?.(message, undefined, undefined, (error) => {
      if (error && process.connected) process.disconnect();
    });
  };
  process.on('message', (message: Partial<Asked & Report>) => {
    if (message.tell !== undefined) {
      open.get(message.tell)?.(message.answer);
    } else if (message.ask !== undefined && message.id !== undefined) {
      const { id } = message;
      Promise.resolve()
        .then(answers[message.ask])
        .then(
          (answer) => tell({ tell: id, answer }),
          () => tell({ tell: id, answer: null }),
        );
    }
  });
  return {
    ask: async (question) => {
      questions += 1;
      const id = questions;
      const carried = new Promise<unknown>((resolve) => {
        open.set(id, resolve);
        tell({ ask: question, id });
      });
      const answer = await withTimeout(carried, 2 * ASK_MS, null).finally(() => open.delete(id));
      return Array.isArray(answer) ? (answer as { nodeId: string; answer: unknown }[]) : [];
    },
  };
}
