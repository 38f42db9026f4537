import { QUEUE_JOB_STATES, type QueueJobState } from '@unified-ws/protocol';
import { type IRedisClient, Queue } from 'bullmq';
import type { Report } from '../../../observability/log/logger.js';
import type { RedisClient } from '../../../redis/connect.js';
import { LuaScript } from '../../../redis/luaScript.js';
import type { StoredEvent } from '../../event/storedEvent.js';
import { type Fate, Fates, type FatesParts } from '../fates.js';
import { JobBatcher, type JobData, type JobDraft, poisonId } from '../jobBatcher.js';
import { JobProcessor, type ProcessorParts } from '../jobProcessor.js';
import { countOption } from './eventCount.js';
import { LaneJobs } from './laneJobs.js';
import { LaneLookup } from './laneLookup.js';
import { LaneTurn } from './laneTurn.js';
import { LaneWorker } from './laneWorker.js';
import { timedBackend } from './timedBackend.js';

export type JobCounts = Readonly<Record<QueueJobState, number>>;

const metaScript = LuaScript.load('laneMeta', new URL('./lua/laneMeta.lua', import.meta.url));

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
/** BullMQ's own event stream, which nobody here reads. */
const STREAM_LENGTH = 100;

/** A connection of ioredis, or BullMQ's view of it. */
type Blocking = Pick<IRedisClient, 'connect' | 'disconnect' | 'status'> & { emit(event: 'end'): unknown };

export interface LaneParts extends Omit<ProcessorParts, 'splitOff' | 'fates' | 'turn'> {
  /** Connected; shared by all queues of the node. */
  readonly producer: RedisClient;
  /** `events-0`, …, `events-urgent`. */
  readonly name: string;
  readonly prefix: string;
  /** Shown with the jobs that a worker of this node has. */
  readonly nodeId: string;
  readonly report: Report;
  readonly fates: Pick<FatesParts, 'key' | 'oldKey' | 'windowMs' | 'wholeIds'>;
  /** Writes again what Redis lost with the data of the queues; `ensureLimits` of each is part of it. */
  readonly restore: () => Promise<void>;
  /** Makes the id of a job that gives its events theirs. */
  readonly mint: () => string;
}

/**
 * One queue and this node's worker on it. Jobs of a lane are processed one at a time in the whole cluster: that is
 * FIFO.
 */
export class Lane {
  readonly name: string;
  readonly processor: JobProcessor;
  readonly batcher: JobBatcher;
  /** For admins. */
  readonly jobs: LaneJobs;
  readonly lookup: LaneLookup;
  private readonly fates: Fates;
  private readonly parts: LaneParts;
  private readonly queue: Queue<JobData, void, string>;
  private worker: LaneWorker | null = null;
  /** The connection on which the worker waits for jobs; BullMQ made it. */
  private blocking: Blocking | null = null;
  private aside = false;
  /** Whether there is to be a worker: one whose renewal failed is missing, not unwanted. */
  private wanted = false;

  constructor(parts: LaneParts) {
    this.parts = parts;
    this.name = parts.name;
    this.fates = new Fates({ ...parts.fates, redis: parts.producer, clock: parts.clock });
    const splitOff = (event: StoredEvent, from: JobData): Promise<void> => this.splitOff(event, from);
    const turns = new LaneTurn({
      redis: parts.producer,
      key: (name) => this.queue.toKey(name),
      restore: parts.restore,
    });
    this.processor = new JobProcessor({ ...parts, fates: this.fates, splitOff, turn: (jobId) => turns.of(jobId) });
    const { mint, clock } = parts;
    this.batcher = new JobBatcher({ add: (drafts) => this.add(drafts), mint, clock });
    const options = {
      connection: parts.producer,
      prefix: parts.prefix,
      streams: { events: { maxLen: STREAM_LENGTH } },
      // Checked once for the node; nine times would be nine INFOs.
      skipVersionCheck: true,
    };
    this.queue = new Queue(parts.name, options, timedBackend(clock));
    this.jobs = new LaneJobs(parts.name, this.queue, parts.producer);
    this.lookup = new LaneLookup(this.queue, parts.producer, this.fates);
    // Without a listener an error event ends the process.
    this.queue.on('error', (error) => parts.report(error, 'events.queue'));
  }

  waitUntilReady(): Promise<unknown> {
    return this.queue.waitUntilReady();
  }

  /**
   * Adds jobs in order. Resolves when Redis has them all; per job whether it was there already, and so was not added.
   *
   * @throws whatever the connection says; the same call may be repeated, jobs that got through are not added twice.
   */
  async add(drafts: readonly JobDraft[]): Promise<boolean[]> {
    // Asked on the same connection just before, so the answers are from before the adding.
    const existing = Promise.all(drafts.map(({ id, given }) => given && this.exists(id)));
    const now = this.parts.clock.now();
    const jobs = drafts.map(({ id, type, data, dueAt }) => {
      const delay = dueAt === null ? 0 : Math.max(0, Math.ceil(dueAt - now));
      const opts = { jobId: id, timestamp: now, ...(delay > 0 ? { delay } : {}), ...countOption(data.events.length) };
      return { name: type, data, opts };
    });
    const [existed] = await Promise.all([existing, this.queue.addBulk(jobs), this.nameJobs(drafts)]);
    return existed;
  }

  async counts(): Promise<JobCounts> {
    const counts = await this.queue.getJobCounts(...QUEUE_JOB_STATES);
    const count = (state: QueueJobState): number => counts[state] ?? 0;
    return {
      waiting: count('waiting'),
      active: count('active'),
      delayed: count('delayed'),
      failed: count('failed'),
      completed: count('completed'),
    };
  }

  /** The limit of one job at a time (Q4), and that of BullMQ's event stream, lie in a Redis hash and go with the data. */
  async ensureLimits(): Promise<void> {
    const fields = ['concurrency', '1', 'opts.maxLenEvents', STREAM_LENGTH];
    await metaScript.run(this.parts.producer, [this.queue.toKey('meta')], fields);
  }

  /** Starts this node's worker on `connection`, which all its workers share but for their blocking reads. */
  async startWorker(connection: RedisClient): Promise<void> {
    const { name, prefix, nodeId, clock, report } = this.parts;
    this.wanted = true;
    // Three parameters: BullMQ makes the signal only for a processor that names it.
    const worker = this.withCopy(
      connection,
      () =>
        new LaneWorker(
          name,
          (job, token, signal) => this.processor.process(job, token ?? '', signal ?? new AbortController().signal),
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
    worker.isTaken = async () => (await connection.llen(this.queue.toKey('active'))) > 0;
    this.worker = worker;
    worker.on('error', (error) => report(error, 'events.worker'));
    worker.on('lockRenewalFailed', (jobIds) => {
      for (const id of jobIds) worker.cancelJob(id, 'the lock was lost');
    });
    await worker.waitUntilReady();
    this.blocking = (await worker.getBackend().blockingClient) ?? this.blocking;
    worker.run().catch((error: unknown) => report(error, 'events.worker'));
  }

  /**
   * BullMQ copies the connection for its blocking reads, and tells of the copy when that is ready, which it may never be; meanwhile nobody
   * else ends it. An error of a connection that nobody listens to ends the process: Redis that takes no more clients says so unasked.
   */
  private withCopy(connection: RedisClient, make: () => LaneWorker): LaneWorker {
    const duplicate = connection.duplicate as (...args: unknown[]) => RedisClient;
    const copied = (...args: unknown[]): RedisClient => {
      const copy = duplicate.apply(connection, args);
      copy.on('error', (error: unknown) => this.parts.report(error, 'events.worker'));
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

  /** Puts a new worker in the place of one that hangs or gave up. The old one may still have a job: its lock lapses. */
  async renewWorker(connection: RedisClient): Promise<void> {
    await this.retireWorker();
    await this.startWorker(connection);
  }

  /** Without waiting for Redis, or for the job in work. */
  async endWorker(): Promise<void> {
    this.wanted = false;
    await this.retireWorker();
  }

  private async retireWorker(): Promise<void> {
    const { worker, blocking } = this;
    this.worker = null;
    this.blocking = null;
    if (worker) {
      const closed = worker.close(true).catch((error: unknown) => this.parts.report(error, 'events.worker'));
      await within(closed, RENEWAL_PATIENCE_MS);
    }
    if (blocking) retire(blocking);
  }

  workerRuns(): boolean {
    return !this.wanted || this.aside || this.worker?.isRunning() === true;
  }

  workerIsConnected(): boolean {
    return !this.wanted || this.blocking?.status === 'ready';
  }

  async untouchedJob(): Promise<string | null> {
    const { producer } = this.parts;
    const key = (name: string): string => this.queue.toKey(name);
    const [next, active, paused] = await Promise.all([
      producer.lindex(key('wait'), -1),
      producer.llen(key('active')),
      producer.hexists(key('meta'), 'paused'),
    ]);
    return active === 0 && paused === 0 ? next : null;
  }

  /** Takes no further jobs and gives back the one that waits: while this node is fenced, others do the work. */
  async standAside(): Promise<void> {
    if (this.aside) return;
    this.aside = true;
    await this.worker?.pause(true);
    this.processor.standAside();
  }

  async standReady(): Promise<void> {
    if (!this.aside) return;
    this.aside = false;
    this.processor.standReady();
    await this.worker?.resume();
  }

  /**
   * Ends the worker and the queue. With `force` nothing waits for Redis; without, the job in work is ended first, for
   * at most `patienceMs`.
   */
  async close(force: boolean, patienceMs: number): Promise<void> {
    this.wanted = false;
    this.processor.standAside();
    if (force) this.processor.abandon();
    const { worker } = this;
    if (worker) {
      const closed = worker.close(force);
      // Its job in work does not end, or Redis went away meanwhile.
      if (!(await within(closed, patienceMs))) this.processor.abandon();
      if (this.blocking) retire(this.blocking);
    }
    await this.queue.close();
  }

  /** The job of events that came with ids and share it cannot be told from their ids. */
  private async nameJobs(drafts: readonly JobDraft[]): Promise<void> {
    const jobs = new Map<string, Fate>();
    for (const { id, data, nameless } of drafts) {
      if (nameless) for (const event of data.events) jobs.set(event.id, `job:${id}`);
    }
    await this.fates.record(jobs);
  }

  private async splitOff(event: StoredEvent, from: JobData): Promise<void> {
    const data = { ...from, events: [event] };
    await this.add([
      { id: poisonId(event), type: String(event.type), data, dueAt: null, given: false, nameless: false },
    ]);
  }

  private async exists(id: string): Promise<boolean> {
    return (await this.parts.producer.exists(this.queue.toKey(id))) === 1;
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

/** Whether `work` ended in time. Its failure is thrown. */
async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
