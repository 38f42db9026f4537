import type { QueueJobState } from '@unified-ws/protocol';
import type { Queue } from 'bullmq';
import type { RedisClient } from '../../../redis/connect.js';
import { LuaScript } from '../../../redis/luaScript.js';
import type {
  JobControl,
  JobData,
  JobFilter,
  JobOutcome,
  LaneStatus,
  StoredJob,
  WalkAction,
  WalkPlace,
  WalkStep,
} from '../queueEngine.js';
import { type JobReply, readJob, readStatus, STATUS_ORDER, type StatusReply } from './laneReplies.js';

const statusScript = LuaScript.load('laneStatus', new URL('./lua/laneStatus.lua', import.meta.url));
const pageScript = LuaScript.load('lanePage', new URL('./lua/lanePage.lua', import.meta.url));
const jobScript = LuaScript.load('laneJob', new URL('./lua/laneJob.lua', import.meta.url));
const switchScript = LuaScript.load('laneSwitch', new URL('./lua/laneSwitch.lua', import.meta.url));
const walkScript = LuaScript.load('laneWalk', new URL('./lua/laneWalk.lua', import.meta.url));

/** Jobs of one state whose events are counted one by one; of more, a sample. All of Redis waits for it. */
const COUNTED_JOBS = 256;
/** A job's payload that a page shows, and those of a page together, bytes: it must fit one frame of an admin's connection. */
const PAGE_JOB_BYTES = 16 * 1024;
const PAGE_BYTES = 256 * 1024;
/** Above every timestamp and score. */
const NO_BOUND = 1e300;

const KEY_OF: Readonly<Record<QueueJobState, string>> = {
  waiting: 'wait',
  active: 'active',
  delayed: 'delayed',
  failed: 'failed',
  completed: 'completed',
};
/** Waiting, active and delayed jobs: next to run first; the others: finished last first. */
const ORDER_OF: Readonly<Record<QueueJobState, 'tail' | 'low' | 'high'>> = {
  waiting: 'tail',
  active: 'tail',
  delayed: 'low',
  failed: 'high',
  completed: 'high',
};

/** What admins see of one queue and do to its jobs, by scripts over the layout of BullMQ's keys. */
export class LaneJobs implements JobControl {
  readonly name: string;
  private readonly queue: Queue<JobData, void, string>;
  private readonly redis: RedisClient;

  constructor(name: string, queue: Queue<JobData, void, string>, redis: RedisClient) {
    this.name = name;
    this.queue = queue;
    this.redis = redis;
  }

  async status(): Promise<LaneStatus> {
    const keys = [...STATUS_ORDER.map((state) => KEY_OF[state]), 'meta'].map((key) => this.queue.toKey(key));
    return readStatus((await statusScript.run(this.redis, keys, [this.prefix, COUNTED_JOBS])) as StatusReply);
  }

  async isPaused(): Promise<boolean> {
    return this.queue.isPaused();
  }

  async pause(): Promise<void> {
    await this.switch('1');
  }

  async resume(): Promise<void> {
    await this.switch('0');
  }

  async page(state: QueueJobState, first: number, last: number): Promise<StoredJob[]> {
    const args = [this.prefix, ORDER_OF[state], first, last, PAGE_JOB_BYTES, PAGE_BYTES];
    const jobs = (await pageScript.run(this.redis, [this.queue.toKey(KEY_OF[state])], args)) as [string, ...JobReply][];
    return jobs.map(([id, ...job]) => readJob(id, state, job));
  }

  async find(id: string): Promise<StoredJob | null> {
    return (await this.act(id, 'look')).job;
  }

  async remove(id: string): Promise<JobOutcome> {
    return (await this.act(id, 'remove')).outcome;
  }

  async retry(id: string): Promise<JobOutcome> {
    return (await this.act(id, 'retry')).outcome;
  }

  async walk(
    state: Exclude<QueueJobState, 'active'>,
    action: WalkAction,
    filter: JobFilter,
    at: WalkPlace | null,
    size: number,
    most = Number.MAX_SAFE_INTEGER,
  ): Promise<WalkStep> {
    const keys = [KEY_OF[state], 'wait', 'active', 'meta', 'marker'].map((key) => this.queue.toKey(key));
    const args = [
      state === 'waiting' ? 'list' : 'zset',
      action,
      this.prefix,
      size,
      most,
      filter.addedUntil,
      state === 'failed' || state === 'completed' ? filter.finishedUntil : NO_BOUND,
      at?.anchor ?? '',
      at?.place ?? '',
      ...(filter.types ?? []),
    ];
    const reply = await walkScript.run(this.redis, keys, args);
    const [over, looked, jobs, events, anchor, place, active] = reply as [
      number,
      number,
      number,
      number,
      string,
      string,
      string[],
    ];
    return { over: over === 1, looked, jobs, events, place: { anchor, place }, active };
  }

  private async switch(paused: '1' | '0'): Promise<void> {
    const keys = ['wait', 'delayed', 'meta', 'marker'].map((key) => this.queue.toKey(key));
    await switchScript.run(this.redis, keys, [paused]);
  }

  private async act(
    id: string,
    action: 'look' | 'remove' | 'retry',
  ): Promise<{ readonly outcome: JobOutcome; readonly job: StoredJob | null }> {
    const keys = ['wait', 'active', 'delayed', 'failed', 'completed', 'meta', 'marker', id];
    const reply = await jobScript.run(
      this.redis,
      keys.map((key) => this.queue.toKey(key)),
      [id, action, Number.MAX_SAFE_INTEGER],
    );
    const [state, done, ...job] = reply as [QueueJobState | '', number, ...JobReply];
    const found = state === '' ? null : readJob(id, state, job);
    return { outcome: { state: found?.state ?? null, done: done === 1, events: found?.eventCount ?? 0 }, job: found };
  }

  private get prefix(): string {
    return this.queue.toKey('');
  }
}
