import type { Core } from '../../core.js';
import { connected } from '../../redis/answers.js';
import type { RedisClient } from '../../redis/connect.js';
import { requireVersion } from '../../redis/inspectRedis.js';
import type { Settings } from '../../settings/settings.js';
import { AppError } from '../../util/appError.js';
import type { EventIds } from '../event/eventIds.js';
import { partitionOf } from '../event/partitionOf.js';
import type { WholeIds } from '../event/rememberedId.js';
import type { StoredEvent } from '../event/storedEvent.js';
import type { IdleAppender } from '../log/idleAppender.js';
import { Admission } from './admission.js';
import { agreeOnPartitions } from './agreeOnPartitions.js';
import type { QueuedEvent } from './jobBatcher.js';
import type { ProcessorParts } from './jobProcessor.js';
import { Lane } from './lane.js';
import type { LaneLookup } from './laneLookup.js';
import { MemoryGuard } from './memoryGuard.js';
import { NodeWorkers } from './nodeWorkers.js';
import type { JobControl, JobCounts, QueueEngine } from './queueEngine.js';
import { QueueReachability } from './queueReachability.js';

export interface EventQueuesParts
  extends Pick<Core, 'keys' | 'clock' | 'report' | 'nodeId'>,
    Pick<ProcessorParts, 'append' | 'knows' | 'mayAppend'> {
  /** What keeps the jobs. */
  readonly engine: QueueEngine;
  readonly ids: EventIds;
  /** The log's Redis, whose memory is looked at too. */
  readonly logRedis: RedisClient;
  /** Appends past the queue. Default: every event is a job. */
  readonly appender?: IdleAppender | null;
  /** Names the queues' Redis. */
  readonly setting: 'REDIS_URL' | 'REDIS_QUEUE_URL';
  /** What whole ids are for, which the build before this one remembers. Default: nothing. */
  readonly wholeIds?: () => WholeIds;
  /** Makes a connection that is not yet open. The queues open and end it. */
  readonly connect: (role: 'producer' | 'worker') => RedisClient;
}

type QueueSettings = Pick<Settings, 'eventQueuePartitions' | 'eventQueueMax' | 'workerStallMs' | 'idempotencyWindowMs'>;

const CLOSE_PATIENCE_MS = 1000;
/** Of the events of one lane that wait at this node while Redis is slow. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;

/**
 * The durable queue of events: `events-0` … by hash of the ordering key, and `events-urgent`, which overtakes them.
 * Each is worked on by one node at a time, so the order of a key is kept per lane (Q3).
 */
export class EventQueues {
  private readonly parts: EventQueuesParts;
  private readonly settings: QueueSettings;
  private producer: RedisClient | null = null;
  private partitions: readonly Lane[] = [];
  private urgent: Lane | null = null;
  private closing: Promise<void> | null = null;
  /** The end of what a start that failed had made. */
  private discarding: Promise<void> = Promise.resolve();
  private admission: Admission | null = null;
  private readonly workers: NodeWorkers;
  /** What the publishers of a job wait for: one promise for all its events. */
  private readonly jobAnswers = new WeakMap<Promise<boolean>, Promise<boolean>>();
  private readonly reachability: QueueReachability;
  /** Connections are shared by many queues, and each passes the same error on. */
  private readonly reported = new WeakSet<Error>();

  constructor(parts: EventQueuesParts, settings: QueueSettings) {
    this.parts = parts;
    this.settings = settings;
    this.workers = new NodeWorkers({
      ...parts,
      lanes: () => this.lanes(),
      open: () => this.open('worker'),
      stallMs: settings.workerStallMs,
    });
    this.reachability = new QueueReachability(parts.setting, (error, where) => this.report(error, where));
  }

  /**
   * Connects, checks the number of partitions and makes the queues ready for publishing. When that fails, nothing of it is left,
   * and it may be tried again.
   *
   * @throws Error when Redis is away, or the queues were closed meanwhile; Unmendable when the cluster runs with another number
   *   of partitions (Q7).
   */
  async start(): Promise<void> {
    try {
      await this.openQueues();
    } catch (error) {
      if (!this.closing) this.discarding = this.discard();
      await (this.closing ?? this.discarding);
      throw error;
    }
  }

  private async openQueues(): Promise<void> {
    this.refuseWhenClosed();
    const producer = this.open('producer');
    this.producer = producer;
    this.reachability.watch(producer);
    await connected(producer);
    await requireVersion(producer, this.parts.setting);
    await agreeOnPartitions(producer, this.parts.keys.partitions(), this.settings.eventQueuePartitions);
    this.refuseWhenClosed();
    this.admission = new Admission({
      counts: () => this.counts(),
      memory: new MemoryGuard([producer, this.parts.logRedis], this.parts.clock),
      clock: this.parts.clock,
      report: (error, where) => this.report(error, where),
      away: this.reachability.words,
      onSilence: () => this.reachability.probe(),
      maxJobs: this.settings.eventQueueMax,
    });
    this.partitions = Array.from({ length: this.settings.eventQueuePartitions }, (_, index) =>
      this.lane(producer, index),
    );
    this.urgent = this.lane(producer, 'u');
    await Promise.all(this.lanes().map((lane) => lane.queue.ready()));
    await this.restore();
    this.refuseWhenClosed();
    // Starts before this node's workers: publishers must learn whether the cluster has any workers.
    this.workers.watch.start();
    producer.on('ready', () => {
      this.restore().catch((error: unknown) => this.report(error, 'events.restore'));
    });
  }

  /** A queue whose connection broke before it was ready never becomes ready: the next start makes all anew. */
  private async discard(): Promise<void> {
    const { producer } = this;
    const lanes = this.lanes();
    this.producer = null;
    this.reachability.watch(null);
    this.partitions = [];
    this.urgent = null;
    this.admission = null;
    this.workers.watch.stop();
    // First: nothing that waits for the connection keeps the queues from their end.
    producer?.disconnect();
    await this.closeLanes(lanes, true);
  }

  /**
   * Starts this node's workers. When that fails, none is left, the queues stay open, and it may be tried again.
   *
   * @throws Error when Redis is away, or the queues were closed meanwhile.
   */
  async startWorkers(): Promise<void> {
    try {
      await this.workers.start();
    } catch (error) {
      if (!this.closing) this.discarding = this.workers.discard();
      await (this.closing ?? this.discarding);
      throw error;
    }
  }

  /** The connection to the queues' Redis; null: not open. */
  get connection(): RedisClient | null {
    return this.producer;
  }

  /** Why nobody can publish, in the words that publishers are told; null: their Redis is there. */
  get away(): string | null {
    if (this.closing) return null;
    return this.workers.watch.isSilent ? this.reachability.words : this.reachability.away;
  }

  /** To be called each second. */
  look(): void {
    this.reachability.look();
  }

  /** EVENT_QUEUE_PARTITIONS. */
  get partitionCount(): number {
    return this.settings.eventQueuePartitions;
  }

  /** Whether it overtakes, in a queue of its own. */
  isUrgent({ priority }: StoredEvent): boolean {
    return priority === 'critical' || priority === 'urgent';
  }

  /** The queue that takes an event. */
  laneOf(event: QueuedEvent): Lane {
    const lane = this.isUrgent(event.event)
      ? this.urgent
      : this.partitions[partitionOf(event.orderingKey, this.settings.eventQueuePartitions)];
    if (!lane) throw new AppError('UNAVAILABLE', 'the event queue is not open');
    return lane;
  }

  /**
   * Appends an event when its queue is idle, or puts it into its queue. Resolves when Redis has it: true when it was there already.
   *
   * @throws AppError UNAVAILABLE when Redis did not confirm in time. The event may be in the queue all the same; a
   *   repeat with the same id is appended once.
   */
  add(item: QueuedEvent): Promise<boolean> {
    const lane = this.laneOf(item);
    this.refuseWhenClosed();
    // A Redis that hangs would run everything that was refused meanwhile when it wakes; memory would fill until then.
    this.reachability.refuse();
    const job = lane.batcher.add(item);
    let answer = this.jobAnswers.get(job);
    if (!answer) {
      answer = job.catch((error: unknown) => this.notAdded(error));
      this.jobAnswers.set(job, answer);
    }
    return answer;
  }

  private notAdded(error: unknown): never {
    this.report(error, 'events.add');
    this.reachability.probe();
    throw new AppError('UNAVAILABLE', 'the event queue did not take the event', { cause: error });
  }

  /**
   * Refuses when Redis is full, when too much of this node is on its way to a queue, or when the queues are full; the last not for
   * what goes past them. The counts are at most 1 s old, and each event queued here since counts as a job.
   *
   * @throws AppError RATE_LIMITED, or UNAVAILABLE when the count cannot be had, or no worker has served the queue of one of `items` for
   *   WORKER_STALL_MS: publishers must not believe that all is well.
   */
  async admit(items: readonly QueuedEvent[]): Promise<void> {
    this.refuseWhenClosed();
    if (items.some((item) => this.workers.watch.stalledMs(this.laneOf(item).name) >= this.settings.workerStallMs)) {
      throw new AppError('UNAVAILABLE', 'nobody works on the event queue');
    }
    this.reachability.refuse();
    if (!this.admission) throw new AppError('UNAVAILABLE', this.reachability.words);
    const lanes = new Set(items.map((item) => this.laneOf(item)));
    for (const { batcher } of lanes) if (batcher.waitingBytes > MAX_WAITING_BYTES) this.admission.refuseWaiting();
    const direct = (this.parts.appender ?? null) !== null && items.every(({ dueAt }) => dueAt === null);
    await this.admission.admit(direct ? [...lanes].map(({ name }) => name) : null);
  }

  /** Jobs per queue and state. */
  async counts(): Promise<ReadonlyMap<string, JobCounts>> {
    const lanes = this.lanes();
    const counts = await Promise.all(lanes.map((lane) => lane.queue.counts()));
    return new Map(lanes.flatMap((lane, index) => (counts[index] ? [[lane.name, counts[index]] as const] : [])));
  }

  /**
   * The queues as admins see them, the partitions first.
   *
   * @throws AppError UNAVAILABLE when they are not open.
   */
  jobs(): readonly JobControl[] {
    this.refuseWhenClosed();
    if (!this.urgent) throw new AppError('UNAVAILABLE', 'the event queue is not open');
    return [...this.partitions, this.urgent].map((lane) => lane.queue.jobs);
  }

  /** Names of the queues that an admin has paused. */
  async paused(): Promise<string[]> {
    const lanes = this.lanes();
    const paused = await Promise.all(lanes.map((lane) => lane.queue.jobs.isPaused()));
    return lanes.filter((_, index) => paused[index]).map(({ name }) => name);
  }

  /**
   * Where events are looked up, by queue.
   *
   * @throws AppError UNAVAILABLE when the queues are not open.
   */
  lookups(): ReadonlyMap<string, LaneLookup> {
    this.refuseWhenClosed();
    if (!this.urgent) throw new AppError('UNAVAILABLE', 'the event queue is not open');
    return new Map(this.lanes().map(({ name, lookup }) => [name, lookup]));
  }

  /** What this node's workers did since they started, and what it refused to publish. */
  stats() {
    return {
      /** Whether this node's workers leave the jobs to others, because the node is fenced. */
      standingAside: this.workers.standsAside,
      lanes: this.lanes().map(({ name, processor, direct, queued }) => ({
        queue: name,
        ...processor.counts,
        /** Events of publishes at this node that were appended at once, and that became jobs. */
        direct: direct?.counts.appended ?? 0,
        queued,
        /** An infrastructure error that this node's worker retries in place; null: none. */
        retrying: processor.retrying,
        /** How long no worker has started the next job, milliseconds; 0: all is well. */
        stalledMs: this.workers.watch.stalledMs(name),
      })),
      /** Workers of this node that were replaced, by reason. */
      renewals: this.workers.watch.renewals,
      /** Publishes that this node refused for want of room. */
      refused: this.admission?.refused ?? { jobs: 0, memory: 0 },
    };
  }

  /** Why this node's workers do not work; null: they work, or the cause lies elsewhere. */
  workerFault(): string | null {
    return this.workers.fault();
  }

  /**
   * Restores values that are written only once, if Redis lost its data: the number of partitions
   * (Q7), the limits of each queue (Q4). Cheap when nothing is to be done.
   */
  async restore(): Promise<void> {
    if (this.closing || !this.producer) return;
    await agreeOnPartitions(this.producer, this.parts.keys.partitions(), this.settings.eventQueuePartitions);
    await Promise.all(this.lanes().map((lane) => lane.queue.restore()));
  }

  /**
   * Ends workers, queues and connections within 2 s, whatever Redis does. A job in work is ended, or left to others.
   */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    this.workers.stop();
    this.reachability.stop();
    const force = !(await this.workers.isAnswered());
    await this.closeLanes(this.lanes(), force);
    this.workers.disconnect();
    this.producer?.disconnect();
    await this.discarding;
  }

  private async closeLanes(lanes: readonly Lane[], force: boolean): Promise<void> {
    const closed = await Promise.allSettled(lanes.map((lane) => lane.close(force, CLOSE_PATIENCE_MS)));
    for (const one of closed) if (one.status === 'rejected') this.report(one.reason, 'events.close');
  }

  private lane(producer: RedisClient, partition: number | 'u'): Lane {
    const { engine, keys, append, knows, mayAppend, clock, nodeId, ids } = this.parts;
    return new Lane({
      engine,
      producer,
      name: partition === 'u' ? 'events-urgent' : `events-${partition}`,
      prefix: keys.queuePrefix(partition),
      nodeId,
      append,
      knows,
      mayAppend,
      clock,
      report: (error, where) => this.report(error, where),
      appender: this.parts.appender ?? null,
      onQueued: (events) => this.admission?.added(events),
      mint: () => ids.nextJob(),
      restore: () => this.restore(),
      outcomes: {
        key: (bucket) => keys.outcomes(partition, bucket),
        oldKey: (bucket) => keys.oldOutcomes(partition, bucket),
        recentKey: keys.recent(partition),
        windowMs: this.settings.idempotencyWindowMs,
        ...(this.parts.wholeIds === undefined ? {} : { wholeIds: this.parts.wholeIds }),
      },
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
}
