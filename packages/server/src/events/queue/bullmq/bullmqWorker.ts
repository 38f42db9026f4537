import { type IRedisClient, type Job, UnrecoverableError, WaitingError } from 'bullmq';
import type { RedisClient } from '../../../redis/connect.js';
import { withTimeout } from '../../../util/withTimeout.js';
import { type JobData, JobFailed, JobLeft, type QueueSetup, type QueueWorker } from '../queueEngine.js';
import { LaneTurn } from './laneTurn.js';
import { LaneWorker } from './laneWorker.js';
import { timedBackend } from './timedBackend.js';

/** Redelivery after a worker's death took 4.4-8.7 s with these two (Q1). */
const LOCK_MS = 6000;
const STALLED_INTERVAL_MS = 3000;
/** A job whose workers died is not to blame; with BullMQ's default of 1 it fails at the second death (Q1). */
const MAX_STALLED = 1000;
/**
 * How long an idle worker waits for a job's marker before it looks itself. A worker that ends its last job without
 * taking the next sets no marker, so that is what a clean close can cost its partitions.
 */
const IDLE_POLL_S = 1;
/** A worker that hangs may not even close. */
const RENEWAL_PATIENCE_MS = 1000;
/** BullMQ's default of 15 s between tries would outlast the lock. */
const CONNECTION_RETRY_MS = 500;
/** For a look at what was done last; that an id was appended is remembered by the log. */
const KEEP_COMPLETED = { count: 100, age: 3600 };
const KEEP_FAILED = { count: 1000, age: 7 * 24 * 3600 };

/** A connection of ioredis, or BullMQ's view of it. */
type Blocking = Pick<IRedisClient, 'connect' | 'disconnect' | 'status'> & { emit(event: 'end'): unknown };

/** This node's worker on one queue: that of BullMQ, which is replaced when it hangs. */
export class BullmqWorker implements QueueWorker {
  readonly name: string;
  private readonly setup: QueueSetup;
  private readonly key: (name: string) => string;
  private readonly turns: LaneTurn;
  private worker: LaneWorker | null = null;
  /** The connection on which the worker waits for jobs; BullMQ made it. */
  private blocking: Blocking | null = null;
  private paused = false;
  /** Whether there is to be a worker: one whose renewal failed is missing, not unwanted. */
  private wanted = false;

  /** @param key the full name of a key of the queue. */
  constructor(setup: QueueSetup, key: (name: string) => string) {
    this.name = setup.name;
    this.setup = setup;
    this.key = key;
    this.turns = new LaneTurn(setup, key);
  }

  async start(connection: RedisClient): Promise<void> {
    const { name, prefix, nodeId, clock, report } = this.setup;
    this.wanted = true;
    // Three parameters: BullMQ makes the signal only for a processor that names it.
    const worker = this.withCopy(
      connection,
      () =>
        new LaneWorker(
          name,
          (job, token, signal) => this.work(job, token ?? '', signal ?? new AbortController().signal),
          {
            connection,
            prefix,
            name: nodeId,
            autorun: false,
            concurrency: 1,
            lockDuration: LOCK_MS,
            stalledInterval: STALLED_INTERVAL_MS,
            maxStalledCount: MAX_STALLED,
            drainDelay: IDLE_POLL_S,
            runRetryDelay: CONNECTION_RETRY_MS,
            removeOnComplete: KEEP_COMPLETED,
            removeOnFail: KEEP_FAILED,
          },
          timedBackend(clock),
        ),
    );
    worker.isTaken = async () => (await connection.llen(this.key('active'))) > 0;
    this.worker = worker;
    worker.on('error', (error) => report(error, 'events.worker'));
    worker.on('lockRenewalFailed', (jobIds) => {
      for (const id of jobIds) worker.cancelJob(id, 'the lock was lost');
    });
    await worker.waitUntilReady();
    this.blocking = (await worker.getBackend().blockingClient) ?? this.blocking;
    worker.run().catch((error: unknown) => report(error, 'events.worker'));
  }

  async renew(connection: RedisClient): Promise<void> {
    await this.retireWorker();
    await this.start(connection);
  }

  async end(): Promise<void> {
    this.wanted = false;
    await this.retireWorker();
  }

  async pause(): Promise<void> {
    if (this.paused) return;
    this.paused = true;
    await this.worker?.pause(true);
  }

  async resume(): Promise<void> {
    if (!this.paused) return;
    this.paused = false;
    await this.worker?.resume();
  }

  async close(force: boolean, patienceMs: number): Promise<boolean> {
    this.wanted = false;
    if (!this.worker) return true;
    const ended = await withTimeout(
      this.worker.close(force).then(() => true),
      patienceMs,
      false,
    );
    if (this.blocking) retire(this.blocking);
    return ended;
  }

  runs(): boolean {
    return !this.wanted || this.paused || this.worker?.isRunning() === true;
  }

  isConnected(): boolean {
    return !this.wanted || this.blocking?.status === 'ready';
  }

  async untouchedJob(): Promise<string | null> {
    const { producer } = this.setup;
    const [next, active, paused] = await Promise.all([
      producer.lindex(this.key('wait'), -1),
      producer.llen(this.key('active')),
      producer.hexists(this.key('meta'), 'paused'),
    ]);
    return active === 0 && paused === 0 ? next : null;
  }

  /** Hands a job to the handler, and its errors to BullMQ as those that it knows. */
  private async work(job: Job<JobData, void, string>, token: string, lock: AbortSignal): Promise<void> {
    const id = job.id ?? '';
    const turn = () => this.turns.of(id);
    const giveBack = async (): Promise<void> => {
      await job.moveToWait(token);
    };
    try {
      await this.setup.handler({ id, data: job.data, lock, turn, giveBack });
    } catch (error) {
      if (error instanceof JobFailed) throw new UnrecoverableError(error.message);
      if (error instanceof JobLeft) throw new WaitingError(error.message);
      throw error;
    }
  }

  /**
   * BullMQ copies the connection for its blocking reads and exposes the copy only when the copy is ready, which may never happen; until then
   * nothing else closes the copy. An unhandled connection error ends the process, and a Redis at its client limit sends one unasked.
   */
  private withCopy(connection: RedisClient, make: () => LaneWorker): LaneWorker {
    const duplicate = connection.duplicate as (...args: unknown[]) => RedisClient;
    const copied = (...args: unknown[]): RedisClient => {
      const copy = duplicate.apply(connection, args);
      copy.on('error', (error: unknown) => this.setup.report(error, 'events.worker'));
      this.blocking = copy;
      return copy;
    };
    connection.duplicate = copied as typeof connection.duplicate;
    try {
      return make();
    } finally {
      connection.duplicate = duplicate as typeof connection.duplicate;
    }
  }

  private async retireWorker(): Promise<void> {
    const { worker, blocking } = this;
    this.worker = null;
    this.blocking = null;
    if (worker) {
      const closed = worker.close(true).catch((error: unknown) => this.setup.report(error, 'events.worker'));
      await withTimeout(closed, RENEWAL_PATIENCE_MS, undefined);
    }
    if (blocking) retire(blocking);
  }
}

/**
 * Ends a connection for good. BullMQ's own recovery, when it is under way, takes the end for a reason to connect once
 * more; and ioredis, between two attempts to connect, ends without saying so, which BullMQ's close waits for.
 */
function retire(client: Blocking): void {
  client.connect = () => Promise.reject(new Error('the connection was closed'));
  // Once more after its end would leave ioredis's timer to destroy the socket behind.
  if (client.status !== 'end') client.disconnect();
  if (client.status !== 'reconnecting') return;
  client.status = 'end';
  client.emit('end');
}
