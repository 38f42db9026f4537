import cluster, { type Worker } from 'node:cluster';
import type { Logger } from './observability/log/logger.js';
import type { Settings } from './settings/settings.js';
import { withTimeout } from './util/withTimeout.js';

/** A worker that died is started again after this, milliseconds: a fault at start must not become a busy loop. */
const RESTART_MS = 1000;
/** It doubles with each one that did not live for so long, milliseconds, up to a bound. */
const LIVED_MS = 30_000;
const MAX_RESTART_MS = 30_000;
/** Workers that have not ended after this, milliseconds, are killed: SIGTERM is answered within 10 s. */
const STOP_MS = 9000;
const ASK_MS = 2000;

/** `reload`: do so, by order of the primary. */
type Question = 'ready' | 'metrics' | 'reload';

interface Asked {
  readonly ask: Question;
  readonly id: number;
}
interface Report {
  readonly tell: number;
  readonly answer: unknown;
}

/** What a worker knows of the processes that share its port. */
export interface Siblings {
  /** The answer of every process to a question, this one's included; null for one that did not answer in time. */
  ask(question: Question): Promise<readonly { readonly nodeId: string; readonly answer: unknown }[]>;
}

/** Answers of this process. */
export type Answers = Readonly<Record<Question, () => unknown | Promise<unknown>>>;

/** The id of the n-th process of a container. */
function workerNodeId(nodeId: string, index: number): string {
  return `${nodeId}-${index}`;
}

/**
 * The primary of NODES processes that share one port: starts them, starts again what dies, carries their questions to each
 * other, ends them all. It serves nobody itself; each worker is a full node.
 */
export class ProcessGroup {
  private readonly settings: Settings;
  private readonly logger: Logger;
  private readonly workers = new Map<number, Worker>();
  /** Deaths in a row, by worker, of those that did not live for long. */
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
    // A flag outranks the environment, by which each worker gets its own id.
    cluster.setupPrimary({ args: withoutFlags(process.argv.slice(2), ['--node-id', '--nodes']) });
    for (let index = 1; index <= this.settings.nodes; index += 1) this.fork(index);
  }

  /**
   * Every worker reads its event catalogue again. Not by a signal, which would end a worker that is just starting; such a one reads
   * the file anyway.
   */
  async reload(): Promise<void> {
    await Promise.all([...this.workers.values()].map((worker) => this.ask(worker, 'reload')));
  }

  /** Ends every worker, gently and then not. */
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
    // What was on its way to one that was just killed (EPIPE), of node:cluster too: without a listener it would end this process, and all
    // workers with it. One that could not be started tells it by this alone.
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
        // No memory for another process: as if it had died at once.
        this.restart(index, 0, { error: String(error) });
      }
    }, after);
    this.restarts.add(timer);
  }

  /** What cannot be told is like what is not answered: whoever asked has a deadline. */
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
 * A worker's side: answers the primary's questions and asks its own.
 *
 * @param onOrphaned the primary is gone, however that happened: nobody else would end this process.
 */
export function joinProcessGroup(answers: Answers, onOrphaned: () => void): Siblings {
  let questions = 0;
  const open = new Map<number, (answer: unknown) => void>();
  // node:cluster ends a worker at once (exit 0) when it loses its primary, by a listener of its own that comes first, unless the worker was
  // told to leave. This says so, and is all that it says: connections would end without a word, claims and lease run out. Read in
  // lib/internal/cluster/child.js of Node.js 20 to 24.
  if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
  process.once('disconnect', onOrphaned);
  const tell = (message: Asked | Report): void => {
    if (!process.connected) return;
    // Without a callback a primary that has just died would make it an `error` of the process, and end it.
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
