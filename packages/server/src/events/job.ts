import { createHash } from 'node:crypto';
import type { StoredEvent } from './storedEvent.js';

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
}

/** An event on its way into the queue. */
export interface QueuedEvent {
  readonly event: StoredEvent;
  /** Bytes of its JSON. */
  readonly bytes: number;
  readonly publisher: string;
  readonly orderingKey: string;
  readonly dueAt: number | null;
  /**
   * The publish call, for an event with an id of the publisher's own; else null. Such events share a job with others of
   * the same call alone: the repeat of the call then makes the same jobs, and is found to be a repeat while they wait.
   */
  readonly call: symbol | null;
}

/** One key carries 2,000-4,000 jobs a second (Q3): shared jobs carry more events. */
const MAX_EVENTS = 100;
const MAX_BYTES = 1024 * 1024;

interface OpenJob {
  readonly first: QueuedEvent;
  readonly events: StoredEvent[];
  bytes: number;
  readonly added: Promise<boolean>;
  readonly settle: { resolve(existed: boolean): void; reject(error: unknown): void };
}

/** Adds jobs to one queue, in order. Result: per job whether it was there already. */
export type AddJobs = (drafts: readonly JobDraft[]) => Promise<boolean[]>;

/**
 * Puts the events of one turn of the event loop that agree in publisher, type, ordering key and due time into shared
 * jobs, so that clearing, retrying and deleting by type stay exact. The order per key is kept: an event never joins a
 * job that stands before another one of its key.
 */
export class JobBatcher {
  private readonly addJobs: AddJobs;
  private open: OpenJob[] = [];
  /** The newest open job of each ordering key. */
  private latest = new Map<string, OpenJob>();

  constructor(addJobs: AddJobs) {
    this.addJobs = addJobs;
  }

  /** Resolves when Redis has the event, with true when the same job was there already. */
  add(item: QueuedEvent): Promise<boolean> {
    const last = this.latest.get(item.orderingKey);
    if (last && fits(last, item)) {
      last.events.push(item.event);
      last.bytes += item.bytes;
      return last.added;
    }
    if (this.open.length === 0) setImmediate(() => void this.flush());
    const job = openJob(item);
    this.open.push(job);
    this.latest.set(item.orderingKey, job);
    return job.added;
  }

  private async flush(): Promise<void> {
    const jobs = this.open;
    this.open = [];
    this.latest = new Map();
    try {
      const existed = await this.addJobs(jobs.map(draft));
      jobs.forEach((job, index) => {
        job.settle.resolve(existed[index] ?? false);
      });
    } catch (error) {
      for (const job of jobs) job.settle.reject(error);
    }
  }
}

function openJob(first: QueuedEvent): OpenJob {
  let settle: OpenJob['settle'] | undefined;
  const added = new Promise<boolean>((resolve, reject) => {
    settle = { resolve, reject };
  });
  if (settle === undefined) throw new Error('a promise did not run its executor');
  return { first, events: [first.event], bytes: first.bytes, added, settle };
}

function fits(job: OpenJob, item: QueuedEvent): boolean {
  const { first } = job;
  return (
    first.publisher === item.publisher &&
    first.event.type === item.event.type &&
    first.dueAt === item.dueAt &&
    first.call === item.call &&
    job.events.length < MAX_EVENTS &&
    job.bytes + item.bytes <= MAX_BYTES
  );
}

function draft({ first, events }: OpenJob): JobDraft {
  const { publisher, orderingKey, dueAt } = first;
  const data = { publisher, ordering_key: orderingKey, events };
  return { id: jobId(events), type: first.event.type, data, dueAt, given: first.call !== null };
}

/**
 * A single event's job has the event's id; a shared one an id that follows from its events, the same for a repeat. The
 * number of events stands in it, so that jobs can be counted in events without reading their payloads (`eventsOfJob`).
 */
export function jobId(events: readonly StoredEvent[]): string {
  const [first] = events;
  if (events.length === 1 && first) return first.id;
  return `batch_${events.length}_${hash(events.map((event) => event.id).join(' '))}`;
}

/** The number of events that a job was made with. One that was split off as poison still counts here. */
export function eventsOfJob(id: string): number {
  return Number(/^batch_(\d+)_/.exec(id)?.[1] ?? 1);
}

/** The id of the job of an event that can never be appended. Its own id may be what is wrong with it. */
export function poisonId(event: unknown): string {
  return `poison_${hash(JSON.stringify(event) ?? '')}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}
