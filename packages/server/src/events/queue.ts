import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../clock.js';
import { AppError } from '../errors.js';
import type { Report } from '../observability/logger.js';
import type { RedisClient } from '../redis/connect.js';
import type { Keys } from '../redis/keys.js';
import type { EventIds } from './eventId.js';
import type { QueuedEvent } from './job.js';
import { type JobCounts, Lane } from './lane.js';
import { partitionOf } from './partition.js';
import type { ProcessorCounts, ProcessorParts, Retrying } from './processor.js';

export interface EventQueuesOptions {
  /** EVENT_QUEUE_PARTITIONS. The same on every node (Q7). */
  readonly partitions: number;
  /** EVENT_QUEUE_MAX: jobs waiting, delayed and active, in all queues. A soft bound (Q6). */
  readonly maxJobs: number;
}

export interface EventQueuesParts extends Pick<ProcessorParts, 'append' | 'knows' | 'mayAppend'> {
  readonly keys: Keys;
  readonly clock: Clock;
  readonly report: Report;
  readonly nodeId: string;
  readonly ids: EventIds;
  /** Makes a connection that is not yet open. The queues open and end it. */
  readonly connect: (role: 'producer' | 'worker') => RedisClient;
}

export interface LaneStats extends Readonly<ProcessorCounts> {
  readonly queue: string;
  /** An infrastructure error that this node's worker retries in place; null: none. */
  readonly retrying: Retrying | null;
}

export interface QueueStats {
  /** Whether this node's workers leave the jobs to others, because the node is fenced. */
  readonly standingAside: boolean;
  readonly lanes: readonly LaneStats[];
}

const COUNT_MAX_AGE_MS = 250;
const RETRY_AFTER_MS = 1000;
const FENCE_WATCH_MS = 250;
/** A short fence is waited out; after this the jobs are left to other nodes. */
const FENCE_PATIENCE_MS = 2000;
const PROBE_PAUSE_MS = 100;
const PING_MS = 300;
const CLOSE_PATIENCE_MS = 1000;

/**
 * The durable queue of events: `events-0` … by hash of the ordering key, and `events-urgent`, which overtakes them.
 * Each is worked on by one node at a time, so the order of a key is kept per lane (Q3).
 */
export class EventQueues {
  private readonly parts: EventQueuesParts;
  private readonly options: EventQueuesOptions;
  private producer: RedisClient | null = null;
  private workerConnection: RedisClient | null = null;
  private partitions: readonly Lane[] = [];
  private urgent: Lane | null = null;
  private closing: Promise<void> | null = null;
  private fenceWatch: NodeJS.Timeout | null = null;
  private fencedSince: number | null = null;
  private standingAside = false;
  private readonly known = { jobs: 0, at: Number.NEGATIVE_INFINITY };
  private refreshing: Promise<void> | null = null;
  private probing = false;
  /** Connections are shared by many queues, and each passes the same error on. */
  private readonly reported = new WeakSet<Error>();

  constructor(parts: EventQueuesParts, options: EventQueuesOptions) {
    this.parts = parts;
    this.options = options;
  }

  /**
   * Connects, checks the number of partitions and makes the queues ready for publishing.
   *
   * @throws Error when Redis is away, or when the cluster runs with another number of partitions (Q7). The queues are
   *   closed then.
   */
  async start(): Promise<void> {
    try {
      const producer = this.open('producer');
      this.producer = producer;
      await connected(producer);
      await this.checkPartitions(producer);
      this.partitions = Array.from({ length: this.options.partitions }, (_, index) => this.lane(producer, index));
      this.urgent = this.lane(producer, 'u');
      await Promise.all(this.lanes().map((lane) => lane.waitUntilReady()));
      await this.ensureConcurrency();
      producer.on('ready', () => {
        this.ensureConcurrency().catch((error: unknown) => this.report(error, 'events.concurrency'));
      });
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /**
   * Starts this node's workers.
   *
   * @throws Error when Redis is away; the queues are closed then.
   */
  async startWorkers(): Promise<void> {
    try {
      const connection = this.open('worker');
      this.workerConnection = connection;
      await connected(connection);
      if (this.closing) throw new Error('the queues were closed while their workers started');
      this.fenceWatch = setInterval(() => this.watchFence(), FENCE_WATCH_MS);
      await Promise.all(this.lanes().map((lane) => lane.startWorker(connection)));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** The queue that takes an event. */
  laneOf(event: QueuedEvent): Lane {
    const { priority } = event.event;
    const lane =
      priority === 'critical' || priority === 'urgent'
        ? this.urgent
        : this.partitions[partitionOf(event.orderingKey, this.options.partitions)];
    if (!lane) throw new AppError('UNAVAILABLE', 'the event queue is not open');
    return lane;
  }

  /**
   * Puts an event into its queue. Resolves when Redis has it: true when a job of the same events was there already.
   *
   * @throws AppError UNAVAILABLE when Redis did not confirm in time. The event may be in the queue all the same; a
   * repeat
   *   with the same id is appended once.
   */
  async add(item: QueuedEvent): Promise<boolean> {
    const lane = this.laneOf(item);
    this.refuseWhenClosed();
    // A Redis that hangs would run everything that was refused meanwhile when it wakes, and memory would fill until
    // then.
    if (this.probing) throw new AppError('UNAVAILABLE', 'the event queue does not answer');
    try {
      const existed = await lane.batcher.add(item);
      this.known.jobs += 1;
      return existed;
    } catch (error) {
      this.report(error, 'events.add');
      void this.probe();
      throw new AppError('UNAVAILABLE', 'the event queue did not take the event', { cause: error });
    }
  }

  /**
   * Refuses when the queues are full. The count is at most 250 ms old, and each event accepted here since counts as a
   * job.
   *
   * @throws AppError RATE_LIMITED, or UNAVAILABLE when the count cannot be had.
   */
  async admit(): Promise<void> {
    this.refuseWhenClosed();
    if (this.probing) throw new AppError('UNAVAILABLE', 'the event queue does not answer');
    if (this.parts.clock.mono() - this.known.at > COUNT_MAX_AGE_MS) {
      this.refreshing ??= this.refresh();
      await this.refreshing;
    }
    if (this.known.jobs < this.options.maxJobs) return;
    const details = { retry_after_ms: RETRY_AFTER_MS };
    throw new AppError('RATE_LIMITED', 'the event queue is full', { details });
  }

  /** Jobs per queue and state. */
  async counts(): Promise<ReadonlyMap<string, JobCounts>> {
    const lanes = this.lanes();
    const counts = await Promise.all(lanes.map((lane) => lane.counts()));
    return new Map(lanes.flatMap((lane, index) => (counts[index] ? [[lane.name, counts[index]] as const] : [])));
  }

  /** What this node's workers did since they started. */
  stats(): QueueStats {
    const lanes = this.lanes().map(({ name, processor }) => ({
      queue: name,
      ...processor.counts,
      retrying: processor.retrying,
    }));
    return { standingAside: this.standingAside, lanes };
  }

  /** Sets again what a Redis that lost its data has forgotten (Q4). Cheap when nothing is to be done. */
  async ensureConcurrency(): Promise<void> {
    if (this.closing || !this.producer) return;
    await this.checkPartitions(this.producer);
    await Promise.all(this.lanes().map((lane) => lane.ensureConcurrency()));
  }

  /**
   * Ends workers, queues and connections within 2 s, whatever Redis does. A job in work is ended, or left to others.
   */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    if (this.fenceWatch) clearInterval(this.fenceWatch);
    const force = !(await this.answers(this.workerConnection));
    const closed = await Promise.allSettled(this.lanes().map((lane) => lane.close(force, CLOSE_PATIENCE_MS)));
    for (const result of closed) if (result.status === 'rejected') this.report(result.reason, 'events.close');
    this.workerConnection?.disconnect();
    this.producer?.disconnect();
  }

  private lane(producer: RedisClient, partition: number | 'u'): Lane {
    const { keys, append, knows, mayAppend, clock, nodeId, ids } = this.parts;
    return new Lane({
      producer,
      name: partition === 'u' ? 'events-urgent' : `events-${partition}`,
      prefix: keys.queuePrefix(partition),
      nodeId,
      append,
      knows,
      mayAppend,
      clock,
      report: (error, where) => this.report(error, where),
      mint: () => ids.nextJob(),
    });
  }

  private lanes(): readonly Lane[] {
    return this.urgent ? [this.urgent, ...this.partitions] : this.partitions;
  }

  private open(role: 'producer' | 'worker'): RedisClient {
    const client = this.parts.connect(role);
    client.on('error', (error: unknown) => this.report(error, `events.${role}`));
    return client;
  }

  private report(error: unknown, where: string): void {
    if (error instanceof Error) {
      if (this.reported.has(error)) return;
      this.reported.add(error);
    }
    this.parts.report(error, where);
  }

  private refuseWhenClosed(): void {
    if (this.closing) throw new AppError('UNAVAILABLE', 'the event queue is closed');
  }

  /**
   * With another number of partitions a key would go to another queue than before: jobs orphaned, order broken (Q7).
   */
  private async checkPartitions(producer: RedisClient): Promise<void> {
    const key = this.parts.keys.partitions();
    const { partitions } = this.options;
    await producer.setnx(key, partitions);
    const stored = await producer.get(key);
    if (stored === String(partitions)) return;
    throw new Error(
      `EVENT_QUEUE_PARTITIONS is ${partitions}, but this cluster runs with ${stored}. To change it: stop publishing, ` +
        `wait until the queues are empty, stop every node, delete the Redis key ${key}, and start all nodes with the ` +
        'new number.',
    );
  }

  private async refresh(): Promise<void> {
    try {
      const counts = [...(await this.counts()).values()];
      this.known.jobs = counts.reduce((sum, { waiting, active, delayed }) => sum + waiting + active + delayed, 0);
      this.known.at = this.parts.clock.mono();
    } catch (error) {
      this.report(error, 'events.count');
      void this.probe();
      throw new AppError('UNAVAILABLE', 'the event queue does not answer', { cause: error });
    } finally {
      this.refreshing = null;
    }
  }

  /**
   * Asks until Redis answers; meanwhile publishing is refused at once. Each question ends with the command time-out.
   */
  private async probe(): Promise<void> {
    const { producer } = this;
    if (this.probing || !producer) return;
    this.probing = true;
    try {
      // Not connected: every command is refused at once anyway, and 'ready' ends that.
      while (!this.closing && producer.status === 'ready') {
        try {
          await producer.ping();
          return;
        } catch (error) {
          this.report(error, 'events.probe');
          await sleep(PROBE_PAUSE_MS);
        }
      }
    } finally {
      this.probing = false;
    }
  }

  private watchFence(): void {
    const now = this.parts.clock.mono();
    this.fencedSince = this.parts.mayAppend() ? null : (this.fencedSince ?? now);
    const aside = this.fencedSince !== null && now - this.fencedSince >= FENCE_PATIENCE_MS;
    if (aside === this.standingAside || this.closing) return;
    this.standingAside = aside;
    for (const lane of this.lanes()) {
      const moved = aside ? lane.standAside() : lane.standReady();
      moved.catch((error: unknown) => this.report(error, 'events.fence'));
    }
  }

  private async answers(client: RedisClient | null): Promise<boolean> {
    if (client?.status !== 'ready') return false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), PING_MS);
    });
    const ping = client.ping().then(
      () => true,
      (error: unknown) => {
        this.report(error, 'events.close');
        return false;
      },
    );
    try {
      return await Promise.race([ping, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function connected(client: RedisClient): Promise<void> {
  if (client.status === 'wait') await client.connect();
}
