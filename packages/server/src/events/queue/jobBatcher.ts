import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../util/clock.js';
import { memberId, PENDING_ID } from '../event/eventIds.js';
import type { StoredEvent } from '../event/storedEvent.js';
import type { JobDraft } from './queueEngine.js';

/** An event on its way into the queue. Its id may be pending: then it gets one when it joins its job. */
export interface QueuedEvent {
  readonly event: Omit<StoredEvent, 'id'> & { id: string };
  /** Bytes of its JSON, or a bound of them. */
  readonly bytes: number;
  readonly publisher: string;
  /** Decides about the queue. */
  readonly orderingKey: string;
  /** All keys whose order the event keeps, when it has several (Q3): its target users, the ordering key among them. */
  readonly alsoOrders?: readonly string[];
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

/**
 * From one flush of a queue to the next, milliseconds, and at least until the last one was answered, while several events come
 * at a time: those of the window share a job, which costs 0.5 ms of CPU whether it holds one or a hundred. An event that comes
 * alone never waits, nor does a publisher who awaits each answer before the next, nor what is appended at once.
 */
const WINDOW_MS = 3;
/**
 * While a backlog keeps events from being appended at once, the window doubles up to this, and holds for events that come alone too.
 * Otherwise jobs of one event each could take the worker longer than the next one takes to come, and the backlog would feed itself at a
 * load that the lane carries without jobs.
 */
const BACKLOG_WINDOW_MS = 64;

interface OpenJob {
  /** Among the open jobs of the queue, in their order. */
  readonly place: number;
  /** Where its events have their ids from; null when they came with ids. */
  readonly mintedId: string | null;
  readonly first: QueuedEvent;
  readonly events: StoredEvent[];
  bytes: number;
  readonly added: Promise<boolean>;
  readonly settle: { resolve(existed: boolean): void; reject(error: unknown): void };
}

/** What became of jobs that were to be added. */
export interface AddedJobs {
  /** Per job whether it was there already; null: it was not added, for the reason in `error`. */
  readonly existed: readonly (boolean | null)[];
  readonly error: unknown;
  /** Whether any of them became a job; false: all were appended at once. */
  readonly queued: boolean;
  /** Whether they did because the jobs before have not been worked off. */
  readonly backlog: boolean;
}

export interface JobBatcherParts {
  /** Adds jobs to one lane, in order, or appends their events at once. Never rejects. */
  readonly add: (drafts: readonly JobDraft[]) => Promise<AddedJobs>;
  /** The id of a job and of its first event (`EventIds.nextJob`). */
  readonly mint: () => string;
  readonly clock: Pick<Clock, 'mono'>;
}

/**
 * Puts the events of one turn of the event loop, or of one window under load, that agree in publisher, type, ordering key and
 * due time into shared jobs, so that clearing, retrying and deleting by type stay exact. The order per key is kept: an event
 * never joins a job that stands before another one of its publisher and key. Events of several publishers that come within one
 * window have no order yet: none of them was accepted before another came.
 */
export class JobBatcher {
  private readonly parts: JobBatcherParts;
  private open: OpenJob[] = [];
  /** The newest open job of each publisher and ordering key. */
  private latest = new Map<string, OpenJob>();
  /** The newest open job of targeted events of one kind. */
  private newest = new Map<string, OpenJob>();
  private flushing = false;
  private flushedAt = Number.NEGATIVE_INFINITY;
  /** Whether events came together just now: in the last flush, or while it was under way. */
  private busy = false;
  /** Whether the last flush made a job. */
  private queued = false;
  /** From one flush to the next while there is a backlog, milliseconds; 0: there is none. */
  private backlogWindow = 0;
  /** Of the events that are not yet in Redis. */
  private bytes = 0;

  constructor(parts: JobBatcherParts) {
    this.parts = parts;
  }

  /** Bytes of the events that wait, or are under way to Redis. */
  get waitingBytes(): number {
    return this.bytes;
  }

  /** Resolves when Redis has the event, with true when the same job was there already. A pending id is set at once. */
  add(item: QueuedEvent): Promise<boolean> {
    const streams = keysOf(item).map((key) => `${item.publisher}\n${key}`);
    const kind = kindOf(item);
    const known = kind === null ? this.latest.get(streams[0] as string) : this.newest.get(kind);
    const job = known && fits(known, item) && this.follows(known, streams) ? known : this.begin(item, kind);
    join(job, item);
    this.bytes += item.bytes;
    for (const stream of streams) this.latest.set(stream, job);
    return job.added;
  }

  /** Whether an event that joins the job comes after all that its keys have had. */
  private follows(job: OpenJob, streams: readonly string[]): boolean {
    return streams.every((stream) => (this.latest.get(stream)?.place ?? 0) <= job.place);
  }

  private begin(item: QueuedEvent, kind: string | null): OpenJob {
    const mintedId = item.event.id === PENDING_ID ? this.parts.mint() : null;
    const job = openJob(item, mintedId, this.open.length);
    this.open.push(job);
    if (kind !== null) this.newest.set(kind, job);
    if (!this.flushing) void this.flush();
    return job;
  }

  private async flush(): Promise<void> {
    this.flushing = true;
    const { clock } = this.parts;
    while (this.open.length > 0) {
      const window = this.backlogWindow || (this.busy && this.queued ? WINDOW_MS : 0);
      const pause = this.flushedAt + window - clock.mono();
      if (pause > 0) await sleep(pause);
      else await new Promise((resolve) => setImmediate(resolve));
      this.flushedAt = clock.mono();
      this.busy = this.open.length > 1 || (this.open[0]?.events.length ?? 0) > 1;
      await this.addOpen();
    }
    this.flushing = false;
  }

  /** Never rejects: the error goes to the publishers. */
  private async addOpen(): Promise<void> {
    const jobs = this.open;
    this.open = [];
    this.latest = new Map();
    this.newest = new Map();
    const { existed, error, queued, backlog } = await this.parts.add(jobs.map(draft));
    // Before anybody is told: who answers with the next one has not come meanwhile.
    this.busy ||= this.open.length > 0;
    this.queued = queued;
    this.backlogWindow = backlog ? Math.min(BACKLOG_WINDOW_MS, Math.max(WINDOW_MS, 2 * this.backlogWindow)) : 0;
    for (const [index, job] of jobs.entries()) {
      this.bytes -= job.bytes;
      const known = existed[index] ?? null;
      if (known === null) job.settle.reject(error);
      else job.settle.resolve(known);
    }
  }
}

function openJob(first: QueuedEvent, mintedId: string | null, place: number): OpenJob {
  let settle: OpenJob['settle'] | undefined;
  const added = new Promise<boolean>((resolve, reject) => {
    settle = { resolve, reject };
  });
  if (settle === undefined) throw new Error('a promise did not run its executor');
  return { place, mintedId, first, events: [], bytes: 0, added, settle };
}

function join(job: OpenJob, item: QueuedEvent): void {
  if (job.mintedId !== null) item.event.id = memberId(job.mintedId, job.events.length);
  job.events.push(item.event);
  job.bytes += item.bytes;
}

function keysOf({ orderingKey, alsoOrders }: QueuedEvent): readonly string[] {
  return alsoOrders ?? [orderingKey];
}

/**
 * Targeted events for different users share jobs: each user has an ordering key, and a job per user would cost half a
 * millisecond of CPU each. Null: only events of one ordering key share a job.
 */
function kindOf({ publisher, event, dueAt }: QueuedEvent): string | null {
  if (event.target_user_ids === undefined) return null;
  return `${publisher}\n${event.type}\n${dueAt}\n${event.id === PENDING_ID}`;
}

function fits(job: OpenJob, item: QueuedEvent): boolean {
  const { first } = job;
  return (
    first.publisher === item.publisher &&
    first.event.type === item.event.type &&
    first.dueAt === item.dueAt &&
    first.call === item.call &&
    (job.mintedId !== null) === (item.event.id === PENDING_ID) &&
    job.events.length < MAX_EVENTS &&
    job.bytes + item.bytes <= MAX_BYTES &&
    (first.event.target_user_ids === undefined) === (item.event.target_user_ids === undefined)
  );
}

function draft({ mintedId, first, events, bytes }: OpenJob): JobDraft {
  const { publisher, orderingKey, dueAt } = first;
  const data = { publisher, ordering_key: orderingKey, events };
  return {
    id: mintedId ?? jobId(events),
    type: first.event.type,
    data,
    dueAt,
    given: first.call !== null,
    nameless: mintedId === null && events.length > 1,
    bytes,
  };
}

/** Ids of jobs that several events share which came with ids begin with this. */
export const SHARED_JOB = 'batch_';

/** A single event's job has the event's id; a shared one an id that follows from its events, the same for a repeat. */
function jobId(events: readonly StoredEvent[]): string {
  const [first] = events;
  if (events.length === 1 && first) return first.id;
  return `${SHARED_JOB}${hash(events.map((event) => event.id).join(' '))}`;
}

/** The id of the job of an event that can never be appended. Its own id may be what is wrong with it. */
export function poisonId(event: unknown): string {
  return `poison_${hash(JSON.stringify(event) ?? '')}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}
