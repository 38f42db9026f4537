import { jobOfMember } from '../event/eventIds.js';
import type { StoredEvent } from '../event/storedEvent.js';
import type { EventOutcomes, RecordedEntry } from './eventOutcomes.js';
import type { EventRecord } from './eventRecord.js';
import type { JobQueue } from './queueEngine.js';

/** The place of an event in one queue. */
export interface Trace {
  readonly status: 'queued' | 'appended' | 'failed' | 'expired';
  /** Of the job that is still there. */
  readonly jobId: string | null;
  /** Of an event that ended; null: it did not, or its record was lost. */
  readonly record: EventRecord | null;
}

/** Looks events of one queue up by their ids, or by when they ended. */
export class LaneLookup {
  private readonly queue: JobQueue;
  private readonly outcomes: EventOutcomes;

  constructor(queue: JobQueue, outcomes: EventOutcomes) {
    this.queue = queue;
    this.outcomes = outcomes;
  }

  /** Entries of the records of this queue, as `EventOutcomes.recent`. */
  recent(to: string, from: string, count: number): Promise<RecordedEntry[]> {
    return this.outcomes.recent(to, from, count);
  }

  /** Null: this queue knows nothing of the event. */
  async trace(eventId: string): Promise<Trace | null> {
    const member = jobOfMember(eventId);
    const candidates = member === null ? [eventId] : [...new Set([member.jobId, eventId])];
    const [ended, ...exist] = await Promise.all([
      this.outcomes.ended(eventId),
      ...candidates.map((id) => this.queue.has(id)),
    ]);
    const { outcome, record } = ended;
    const shared = outcome?.startsWith('job:') ? outcome.slice('job:'.length) : null;
    const jobId = candidates.find((_, index) => exist[index]) ?? shared;
    const trace = jobId === null ? null : await this.traceJob(jobId, eventId);
    if (trace && trace.status !== 'appended') return { ...trace, record: trace.status === 'failed' ? record : null };
    // A finished job had events of several outcomes; and it may be gone already.
    if (outcome === 'appended' || outcome === 'failed' || outcome === 'expired')
      return { status: outcome, jobId: null, record };
    return trace;
  }

  /** What a job that is still there holds of an event whose id its publisher gave; null: there is none. */
  async stored(eventId: string): Promise<StoredEvent | null> {
    const { outcome } = await this.outcomes.ended(eventId);
    const shared = outcome?.startsWith('job:') ? outcome.slice('job:'.length) : null;
    const jobs = await Promise.all([eventId, ...(shared === null ? [] : [shared])].map((id) => this.queue.dataOf(id)));
    const events = jobs.flatMap((data) => data?.events ?? []);
    return events.find((event) => event.id === eventId) ?? null;
  }

  private async traceJob(jobId: string, eventId: string): Promise<Trace | null> {
    const data = await this.queue.dataOf(jobId);
    // Another event of the same publisher may have the id of a job that is not its own.
    if (!data?.events.some((event) => event.id === eventId)) return null;
    const state = await this.queue.stateOf(jobId);
    if (state === null) return null;
    const status = state === 'completed' ? 'appended' : state === 'failed' ? 'failed' : 'queued';
    return { status, jobId, record: null };
  }
}
