import { answers, connected } from '../../redis/answers.js';
import type { RedisClient } from '../../redis/connect.js';
import { AppError } from '../../util/appError.js';
import { FenceWatch } from './fenceWatch.js';
import type { ProcessorParts } from './jobProcessor.js';
import type { Lane } from './lane.js';
import type { QueueWorker } from './queueEngine.js';
import { WorkerWatch } from './workerWatch.js';

export interface NodeWorkersParts extends Pick<ProcessorParts, 'mayAppend' | 'clock' | 'report'> {
  readonly lanes: () => readonly Lane[];
  /** Makes a connection that is not yet open. */
  readonly open: () => RedisClient;
  /** WORKER_STALL_MS. */
  readonly stallMs: number;
}

const PING_MS = 300;
const CONNECT_PATIENCE_MS = 2000;

/** This node's workers on all queues, on one connection: started together, replaced when they hang, aside while the node is fenced. */
export class NodeWorkers {
  readonly watch: WorkerWatch;
  private readonly parts: NodeWorkersParts;
  private readonly fence: FenceWatch;
  private connection: RedisClient | null = null;
  private started = false;
  private stopped = false;

  constructor(parts: NodeWorkersParts) {
    this.parts = parts;
    const { clock, report, stallMs } = parts;
    this.watch = new WorkerWatch({
      workers: () => this.all(),
      renew: (worker) => this.renew(worker),
      standsAside: () => !this.started || this.fence.standsAside,
      clock,
      report,
      stallMs,
    });
    this.fence = new FenceWatch(parts, (aside) => {
      for (const lane of parts.lanes()) {
        const moved = aside ? lane.standAside() : lane.standReady();
        moved.catch((error: unknown) => report(error, 'events.fence'));
      }
    });
  }

  /** Whether they leave the jobs to others, because the node is fenced. */
  get standsAside(): boolean {
    return this.fence.standsAside;
  }

  /** Why they do not work; null: they do, or they are not to blame. */
  fault(): string | null {
    return this.started ? this.watch.fault() : null;
  }

  /** @throws Error when Redis is away, or they were stopped meanwhile; then they are to be discarded. */
  async start(): Promise<void> {
    this.refuseWhenStopped();
    const connection = this.parts.open();
    this.connection = connection;
    await connected(connection);
    this.refuseWhenStopped();
    // All of them, failed or not: one that starts after the others were ended would go on by itself.
    const started = await Promise.allSettled(this.all().map((worker) => worker.start(connection)));
    for (const result of started) if (result.status === 'rejected') throw result.reason;
    this.refuseWhenStopped();
    this.fence.start();
    this.started = true;
  }

  /** After a start that failed; they may be started again. */
  async discard(): Promise<void> {
    const { connection } = this;
    this.connection = null;
    await Promise.all(this.all().map((worker) => worker.end()));
    connection?.disconnect();
  }

  /** Before their lanes are closed: none is replaced any more. */
  stop(): void {
    this.stopped = true;
    this.fence.stop();
    this.watch.stop();
  }

  /** After their lanes were closed. */
  disconnect(): void {
    this.connection?.disconnect();
  }

  /** Whether Redis answers on their connection. */
  isAnswered(): Promise<boolean> {
    return this.answers(this.connection);
  }

  /** Where the connection is what hangs, all lanes share it. */
  private async renew(stalled: QueueWorker): Promise<void> {
    const old = this.connection;
    if (old && (await this.answers(old))) {
      await Promise.all(this.all().map((worker) => worker === stalled && worker.renew(old)));
      return;
    }
    const connection = this.parts.open();
    // Another is tried at the next look.
    const late = setTimeout(() => connection.disconnect(), CONNECT_PATIENCE_MS);
    await connected(connection).finally(() => clearTimeout(late));
    if (this.stopped) return connection.disconnect();
    this.connection = connection;
    await Promise.all(this.all().map((worker) => worker.renew(connection)));
    old?.disconnect();
  }

  private all(): readonly QueueWorker[] {
    return this.parts.lanes().map(({ queue }) => queue.worker);
  }

  private answers(client: RedisClient | null): Promise<boolean> {
    return answers(client, PING_MS, this.parts.report, 'events.ping');
  }

  private refuseWhenStopped(): void {
    if (this.stopped) throw new AppError('UNAVAILABLE', 'the event queue is closed');
  }
}
