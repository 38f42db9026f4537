import type { StoredEvent } from '../event/storedEvent.js';
import type { IdleAppender } from '../log/idleAppender.js';
import { DirectAppend, mayGoDirect } from './directAppend.js';
import { type EventOutcome, EventOutcomes, type EventOutcomesParts } from './eventOutcomes.js';
import { type AddedJobs, JobBatcher, poisonId } from './jobBatcher.js';
import { JobProcessor, type ProcessorParts } from './jobProcessor.js';
import { LaneLookup } from './laneLookup.js';
import type { JobData, JobDraft, JobQueue, QueueEngine, QueueSetup } from './queueEngine.js';

export interface LaneParts extends Omit<QueueSetup, 'handler'>, Omit<ProcessorParts, 'splitOff' | 'outcomes'> {
  readonly engine: QueueEngine;
  readonly outcomes: Pick<EventOutcomesParts, 'key' | 'oldKey' | 'recentKey' | 'windowMs' | 'wholeIds'>;
  /** Makes the id of a job that gives its events theirs. */
  readonly mint: () => string;
  /** Null: every event is a job (EVENT_QUEUE=always). */
  readonly appender: IdleAppender | null;
  /** So many events became jobs. */
  readonly onQueued: (events: number) => void;
}

/**
 * One queue of events, whatever the engine, with what makes jobs of events and what works on them. Jobs of a lane are processed one
 * at a time in the whole cluster: that is FIFO.
 */
export class Lane {
  readonly name: string;
  readonly queue: JobQueue;
  readonly processor: JobProcessor;
  readonly batcher: JobBatcher;
  readonly lookup: LaneLookup;
  /** What went past the queue; null: nothing does. */
  readonly direct: DirectAppend | null;
  /** Events that became jobs at this node. */
  queued = 0;
  private readonly parts: LaneParts;
  private readonly outcomes: EventOutcomes;

  constructor(parts: LaneParts) {
    const { name, producer, clock, mint, appender } = parts;
    this.parts = parts;
    this.name = name;
    this.outcomes = new EventOutcomes({ ...parts.outcomes, redis: producer, clock, report: parts.report });
    this.processor = new JobProcessor({
      ...parts,
      outcomes: this.outcomes,
      splitOff: (event, from) => this.splitOff(event, from),
    });
    this.queue = parts.engine.open({ ...parts, handler: (job) => this.processor.process(job) });
    this.batcher = new JobBatcher({ add: (drafts) => this.add(drafts), mint, clock });
    this.direct = appender && new DirectAppend({ ...parts, appender, queue: this.queue, outcomes: this.outcomes });
    this.lookup = new LaneLookup(this.queue, this.outcomes);
  }

  /** Takes no further jobs and gives back the one that waits: while this node is fenced, others do the work. */
  async standAside(): Promise<void> {
    await this.queue.worker.pause();
    this.processor.standAside();
  }

  async standReady(): Promise<void> {
    this.processor.standReady();
    await this.queue.worker.resume();
  }

  /**
   * Ends the worker and the queue. With `force` nothing waits for Redis; without, the job in work is ended first, for
   * at most `patienceMs`.
   */
  async close(force: boolean, patienceMs: number): Promise<void> {
    this.processor.standAside();
    if (force) this.processor.abandon();
    // Its job in work does not end, or Redis went away meanwhile.
    if (!(await this.queue.worker.close(force, patienceMs))) this.processor.abandon();
    await this.outcomes.close(force);
    await this.queue.close();
  }

  /** Appends at once what need not wait, and makes jobs of the rest. What is due later waits for no other, and none for it. */
  private async add(drafts: readonly JobDraft[]): Promise<AddedJobs> {
    const now = this.parts.clock.now();
    const due = drafts.filter(({ dueAt }) => dueAt === null || dueAt <= now);
    const direct = this.direct !== null && due.every((draft) => mayGoDirect(draft, now));
    const { existed: done, backlog } = direct ? await this.direct.append(due) : { existed: [], backlog: false };
    if (done.length === drafts.length) return { existed: done, error: null, queued: false, backlog };
    const results = new Map<JobDraft, boolean>();
    for (const [place, existed] of done.entries()) results.set(due[place] as JobDraft, existed);
    const rest = drafts.filter((draft) => !results.has(draft));
    let failed: unknown = null;
    try {
      for (const [place, existed] of (await this.enqueue(rest)).entries())
        results.set(rest[place] as JobDraft, existed);
    } catch (error) {
      failed = error;
    }
    return { existed: drafts.map((draft) => results.get(draft) ?? null), error: failed, queued: true, backlog };
  }

  private async enqueue(drafts: readonly JobDraft[]): Promise<boolean[]> {
    const events = drafts.reduce((sum, { data }) => sum + data.events.length, 0);
    // Before they are there: what is on its way counts already.
    this.parts.onQueued(events);
    const [existed] = await Promise.all([this.queue.add(drafts), this.nameJobs(drafts)]);
    this.queued += events;
    return existed;
  }

  /** The job of events that came with ids and share it cannot be told from their ids. */
  private async nameJobs(drafts: readonly JobDraft[]): Promise<void> {
    const jobs = new Map<string, EventOutcome>();
    for (const { id, data, nameless } of drafts) {
      if (nameless) for (const event of data.events) jobs.set(event.id, `job:${id}`);
    }
    await this.outcomes.record(jobs);
  }

  private async splitOff(event: StoredEvent, from: JobData): Promise<void> {
    const data = { ...from, events: [event] };
    const draft = { id: poisonId(event), type: String(event.type), data, dueAt: null, given: false, nameless: false };
    await this.enqueue([{ ...draft, bytes: 0 }]);
  }
}
