import type { Queue } from 'bullmq';
import type { RedisClient } from '../../../redis/connect.js';
import { jobOfMember } from '../../event/eventIds.js';
import type { StoredEvent } from '../../event/storedEvent.js';
import type { Fates } from '../fates.js';
import type { JobData } from '../jobBatcher.js';

/** Where an event stands in one queue. */
export interface Trace {
  readonly status: 'queued' | 'appended' | 'failed' | 'expired';
  /** Of the job that is still there. */
  readonly jobId: string | null;
}

/** Looks events of one queue up by their ids. */
export class LaneLookup {
  private readonly queue: Queue<JobData, void, string>;
  private readonly producer: RedisClient;
  private readonly fates: Fates;

  constructor(queue: Queue<JobData, void, string>, producer: RedisClient, fates: Fates) {
    this.queue = queue;
    this.producer = producer;
    this.fates = fates;
  }

  /** Null: this queue knows nothing of the event. */
  async trace(eventId: string): Promise<Trace | null> {
    const member = jobOfMember(eventId);
    const candidates = member === null ? [eventId] : [...new Set([member.jobId, eventId])];
    const [fate, ...exist] = await Promise.all([
      this.fates.find(eventId),
      ...candidates.map((id) => this.producer.exists(this.queue.toKey(id))),
    ]);
    const shared = fate?.startsWith('job:') ? fate.slice('job:'.length) : null;
    const jobId = candidates.find((_, index) => exist[index] === 1) ?? shared;
    const trace = jobId === null ? null : await this.traceJob(jobId, eventId);
    if (trace && trace.status !== 'appended') return trace;
    // A finished job had events of several fates; and it may be gone already.
    if (fate === 'appended' || fate === 'failed' || fate === 'expired') return { status: fate, jobId: null };
    return trace;
  }

  /** What a job that is still there holds of an event whose id its publisher gave; null: there is none. */
  async stored(eventId: string): Promise<StoredEvent | null> {
    const fate = await this.fates.find(eventId);
    const shared = fate?.startsWith('job:') ? fate.slice('job:'.length) : null;
    const jobs = await Promise.all([eventId, ...(shared === null ? [] : [shared])].map((id) => this.queue.getJob(id)));
    const events = jobs.flatMap((job) => job?.data.events ?? []);
    return events.find((event) => event.id === eventId) ?? null;
  }

  private async traceJob(jobId: string, eventId: string): Promise<Trace | null> {
    const job = await this.queue.getJob(jobId);
    // Another event of the same publisher may have the id of a job that is not its own.
    if (!job?.data.events.some((event) => event.id === eventId)) return null;
    const state = await job.getState();
    if (state === 'unknown') return null;
    const status = state === 'completed' ? 'appended' : state === 'failed' ? 'failed' : 'queued';
    return { status, jobId };
  }
}
