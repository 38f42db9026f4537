import type { QueueJobState } from '@unified-ws/protocol';
import type { Core } from '../../core.js';
import type { RedisClient } from '../../redis/connect.js';
import type { LuaScript, ScriptCall } from '../../redis/luaScript.js';
import type { StoredEvent } from '../event/storedEvent.js';

/**
 * The seam between the event path and the engine that keeps its jobs. Everything outside the engine's folder uses the interfaces
 * of this file alone: `JobQueue` to publish, `QueueWorker` to work, `JobControl` for admins. Another engine implements them in a
 * folder of its own, and `compose/composeCore.ts` names it.
 *
 * What an engine promises:
 * - A job that `add` has confirmed survives every node. A second job with the same id changes nothing.
 * - Jobs of one queue start in the order in which they were added, a delayed one when it is due, and one at a time in the whole
 *   cluster (Q3, Q4). The job of a worker that died starts again, as often as that happens (Q1).
 * - A question about jobs never blocks the store for long, however many jobs there are.
 *
 * Only the engine knows where a job lies. Whether a queue is idle is told by a script of the engine, so that it can be asked in the
 * same step in which an event is appended.
 */
export interface QueueEngine {
  /** Makes one queue. Nothing is sent before it is asked to. */
  open(setup: QueueSetup): JobQueue;
  /** Answers 1 when the queue is idle, 2 with a few jobs left, 3 with many, else 0; run with what `JobQueue.idle` makes. Writes nothing, and may be part of another script. */
  readonly idle: LuaScript;
  /** What its user in Redis must be allowed besides what all parts send (`redis/requirements.ts`), as it is written there. */
  readonly commands: readonly string[];
  /** Any key of a queue, which its user must be allowed. */
  keyOf(prefix: string, name: string): string;
}

/** `nodeId` is shown with the jobs that a worker of this node has. Jobs are due by `clock`, cluster time. */
export interface QueueSetup extends Pick<Core, 'nodeId' | 'clock' | 'report'> {
  /** `events-0`, …, `events-urgent`. */
  readonly name: string;
  /** Before the names of all its keys: a hash tag, so that they share a slot. */
  readonly prefix: string;
  /** To the queues' Redis. Connected, shared by all queues of the node, and ended by who opened it. */
  readonly producer: RedisClient;
  /** Writes again what Redis lost with its data; `JobQueue.restore` of each queue is part of it. */
  readonly restore: () => Promise<void>;
  /**
   * Works on a job. Resolves when it is done.
   *
   * @throws JobFailed, JobLeft; any other error is taken for a failure.
   */
  readonly handler: (job: ActiveJob) => Promise<void>;
}

/** One queue: what publishing needs of it. */
export interface JobQueue {
  readonly name: string;
  readonly jobs: JobControl;
  readonly worker: QueueWorker;
  /** Resolves when jobs can be added. */
  ready(): Promise<void>;
  /**
   * Adds jobs in order. Resolves when Redis has them all; per job whether it was there already, and so was not added. That is
   * looked up for jobs whose id was `given` alone.
   *
   * @throws whatever the connection says; the same call may be repeated, jobs that got through are not added twice.
   */
  add(drafts: readonly JobDraft[]): Promise<boolean[]>;
  /**
   * Asks whether the queue is idle: no job waits, is in work or due, it is not paused, and none of these jobs is there in any state.
   * Whatever was accepted before is done then.
   *
   * @param jobIds at most 500.
   */
  idle(jobIds: readonly string[]): ScriptCall;
  counts(): Promise<JobCounts>;
  /** Whether there is a job, whatever its state. */
  has(jobId: string): Promise<boolean>;
  /** Null: there is no such job. */
  dataOf(jobId: string): Promise<JobData | null>;
  /** Null: there is no such job. */
  stateOf(jobId: string): Promise<QueueJobState | null>;
  /** Writes again what the queue is worked on by, where Redis lost it (Q4). Cheap when nothing is to be done. */
  restore(): Promise<void>;
  /** Ends the queue, after its worker. */
  close(): Promise<void>;
}

/** The payload of a job: events that were published together and are appended together. Its name is their type. */
export interface JobData {
  /** Who published it. */
  readonly publisher: string;
  readonly ordering_key: string;
  readonly events: readonly StoredEvent[];
}

/** A job that is not yet in Redis. */
export interface JobDraft {
  readonly id: string;
  readonly type: string;
  readonly data: JobData;
  /** Wall-clock ms; null: at once. */
  readonly dueAt: number | null;
  /** Whether the id follows from ids of the publisher's own, so that the job may be there already. */
  readonly given: boolean;
  /** Whether its id follows from none of its events' ids. */
  readonly nameless: boolean;
  /** Bytes of its events as JSON, or a bound of them. */
  readonly bytes: number;
}

export type JobCounts = Readonly<Record<QueueJobState, number>>;

/** This node's worker on one queue. */
export interface QueueWorker {
  /** Of its queue. */
  readonly name: string;
  /** @param connection shared by all workers of the node, but for their blocking reads. */
  start(connection: RedisClient): Promise<void>;
  /** Puts a new worker in the place of one that hangs or gave up. The old one may still have a job: its lock lapses. */
  renew(connection: RedisClient): Promise<void>;
  /** Ends it without waiting for Redis, or for the job in work. */
  end(): Promise<void>;
  /** Takes no further jobs until `resume`; the job in work goes on. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /**
   * Ends it for good. With `force` nothing waits for Redis; without, the job in work is ended first.
   *
   * @returns false when that took longer than `patienceMs`.
   */
  close(force: boolean, patienceMs: number): Promise<boolean>;
  /** False when it gave up by itself. */
  runs(): boolean;
  /** Whether it has its connections. */
  isConnected(): boolean;
  /**
   * The id of the job that is next in line, while nobody in the cluster has one of this queue in work and it is not paused;
   * else null.
   */
  untouchedJob(): Promise<string | null>;
}

/** A job that a worker has taken. */
export interface ActiveJob {
  readonly id: string;
  /** What it holds came from outside: it may be anything. */
  readonly data: JobData;
  /** Aborted when the job's lock was lost: another worker has the job then. */
  readonly lock: AbortSignal;
  /** @throws whatever the connection says. */
  turn(): Promise<Turn>;
  /** Puts it back to the head of its queue. */
  giveBack(): Promise<void>;
}

/**
 * What a worker may do with a job that it has taken. `now`: append it. `back`: give it back, an earlier one is in work. `later`: a
 * later one is to be given back first. `gone`: the queue does not know it as in work any more.
 */
export type Turn = 'now' | 'back' | 'later' | 'gone';

/** The job can never be done: it goes to the failed ones, with this reason. */
export class JobFailed extends Error {}

/** The worker leaves the job as it is: it was given back, or another worker has it. */
export class JobLeft extends Error {}

/** What an admin sees of one queue and does to its jobs. */
export interface JobControl {
  /** Of its queue. */
  readonly name: string;
  status(): Promise<LaneStatus>;
  isPaused(): Promise<boolean>;
  /** No worker of the cluster begins a job of it. It lies in Redis, so restarts of nodes do not end it. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Jobs of a state by index, both ends included. Waiting, active and delayed: next to run first; others: finished last first. */
  page(state: QueueJobState, first: number, last: number): Promise<StoredJob[]>;
  /** Null when there is no such job. */
  find(id: string): Promise<StoredJob | null>;
  /** An active job is not removed. */
  remove(id: string): Promise<JobOutcome>;
  /** Only a failed job is retried; it goes to the end of the queue. */
  retry(id: string): Promise<JobOutcome>;
  /**
   * One step of a walk over the jobs of a state, from those that run next to those added last. What others take away or add
   * meanwhile never makes it miss a job. Whoever stops between two steps leaves a queue that works (Q5).
   *
   * @param size jobs to look at.
   * @param most jobs to match: the walk is over with the last of them.
   */
  walk(
    state: Exclude<QueueJobState, 'active'>,
    action: WalkAction,
    filter: JobFilter,
    at: WalkPlace | null,
    size: number,
    most?: number,
  ): Promise<WalkStep>;
}

/** How one queue is. Times are wall-clock ms. */
export interface LaneStatus {
  readonly paused: boolean;
  readonly counts: Readonly<Record<QueueJobState, StateCount>>;
  /** When the oldest job that is due was added, or became due; null: none is due. */
  readonly oldestDueAt: number | null;
  /** The node whose worker has a job; null: none has. */
  readonly activeOn: string | null;
}

export interface StateCount {
  readonly jobs: number;
  readonly events: number;
  /** Whether `events` was reckoned from a sample. */
  readonly estimated: boolean;
}

/** A job as it lies in Redis. Times are wall-clock ms. */
export interface StoredJob {
  readonly id: string;
  readonly state: QueueJobState;
  readonly type: string;
  /** Events that it was made with. */
  readonly eventCount: number;
  readonly addedAt: number;
  readonly dueAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly failedReason: string | null;
  /** The node that took it last. */
  readonly nodeId: string | null;
  /** Of its payload. */
  readonly bytes: number;
  /** Null: it is larger than what was asked for. What it holds came from outside: it may be anything. */
  readonly data: Partial<JobData> | null;
}

export interface JobOutcome {
  /** In which the job was found; null: there is none. */
  readonly state: QueueJobState | null;
  /** False: its state forbids it. */
  readonly done: boolean;
  /** Events that it was made with. */
  readonly events: number;
}

/** Which jobs a walk is about. */
export interface JobFilter {
  /** Wall-clock ms: only jobs added until then. */
  readonly addedUntil: number;
  /** Only jobs of these types; null: of all. */
  readonly types: readonly string[] | null;
  /** Wall-clock ms: jobs that failed or completed later are left: what is retried and fails again must not be met again. */
  readonly finishedUntil: number;
}

export type WalkAction = 'count' | 'remove' | 'retry';

/** Where a walk stands; the engine alone reads it. */
export interface WalkPlace {
  readonly anchor: string;
  readonly place: string;
}

export interface WalkStep {
  readonly over: boolean;
  readonly looked: number;
  readonly jobs: number;
  readonly events: number;
  readonly place: WalkPlace;
  /** Ids of matching jobs that are in work; of a walk over waiting jobs alone. */
  readonly active: readonly string[];
}
