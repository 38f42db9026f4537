import { QUEUE_JOB_STATES, type QueueJobState } from '@unified-ws/protocol';
import { Queue } from 'bullmq';
import { LuaScript, type ScriptCall } from '../../../redis/luaScript.js';
import type { JobCounts, JobData, JobDraft, JobQueue, QueueSetup } from '../queueEngine.js';
import { BullmqWorker } from './bullmqWorker.js';
import { countOption } from './eventCount.js';
import { LaneJobs } from './laneJobs.js';
import { timedBackend } from './timedBackend.js';

const metaScript = LuaScript.load('laneMeta', new URL('./lua/laneMeta.lua', import.meta.url));

/** BullMQ's own event stream, which nobody here reads. */
const STREAM_LENGTH = 100;

/** As laneIdle.lua takes them. */
const IDLE_KEYS = ['wait', 'active', 'paused', 'prioritized', 'delayed', 'meta'];

/** One queue in BullMQ. */
export class BullmqQueue implements JobQueue {
  readonly name: string;
  readonly jobs: LaneJobs;
  readonly worker: BullmqWorker;
  private readonly setup: QueueSetup;
  private readonly queue: Queue<JobData, void, string>;

  constructor(setup: QueueSetup) {
    const { name, prefix, producer, clock, report } = setup;
    this.name = name;
    this.setup = setup;
    const options = {
      connection: producer,
      prefix,
      streams: { events: { maxLen: STREAM_LENGTH } },
      // Checked once for the node; nine times would be nine INFOs.
      skipVersionCheck: true,
    };
    this.queue = new Queue(name, options, timedBackend(clock));
    this.jobs = new LaneJobs(name, this.queue, producer);
    this.worker = new BullmqWorker(setup, (key) => this.queue.toKey(key));
    // Without a listener an error event ends the process.
    this.queue.on('error', (error) => report(error, 'events.queue'));
  }

  async ready(): Promise<void> {
    await this.queue.waitUntilReady();
  }

  async add(drafts: readonly JobDraft[]): Promise<boolean[]> {
    // Asked on the same connection just before, so the answers are from before the adding.
    const existing = Promise.all(drafts.map(({ id, given }) => given && this.has(id)));
    const now = this.setup.clock.now();
    const jobs = drafts.map(({ id, type, data, dueAt }) => {
      const delay = dueAt === null ? 0 : Math.max(0, Math.ceil(dueAt - now));
      const opts = { jobId: id, timestamp: now, ...(delay > 0 ? { delay } : {}), ...countOption(data.events.length) };
      return { name: type, data, opts };
    });
    const [existed] = await Promise.all([existing, this.queue.addBulk(jobs)]);
    return existed;
  }

  idle(jobIds: readonly string[]): ScriptCall {
    const keys = [...IDLE_KEYS, ...jobIds].map((key) => this.queue.toKey(key));
    return { keys, args: [this.setup.clock.now()] };
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

  async has(jobId: string): Promise<boolean> {
    return (await this.setup.producer.exists(this.queue.toKey(jobId))) === 1;
  }

  async dataOf(jobId: string): Promise<JobData | null> {
    return (await this.queue.getJob(jobId))?.data ?? null;
  }

  async stateOf(jobId: string): Promise<QueueJobState | null> {
    const found = await this.queue.getJobState(jobId);
    if (found === 'unknown') return null;
    // BullMQ's further states are those of jobs that wait.
    return QUEUE_JOB_STATES.find((state) => state === found) ?? 'waiting';
  }

  /** The limit of one job at a time (Q4), and that of BullMQ's event stream, lie in a Redis hash and go with the data. */
  async restore(): Promise<void> {
    const fields = ['concurrency', '1', 'opts.maxLenEvents', STREAM_LENGTH];
    await metaScript.run(this.setup.producer, [this.queue.toKey('meta')], fields);
  }

  async close(): Promise<void> {
    await this.queue.close();
  }
}
