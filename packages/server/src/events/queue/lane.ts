import type { StoredEvent } from '../event/storedEvent.js';
import { type EventOutcome, EventOutcomes, type EventOutcomesParts } from './eventOutcomes.js';
import { JobBatcher, poisonId } from './jobBatcher.js';
import { JobProcessor, type ProcessorParts } from './jobProcessor.js';
import { LaneLookup } from './laneLookup.js';
import type { JobData, JobDraft, JobQueue, QueueEngine, QueueSetup } from './queueEngine.js';

export interface LaneParts extends Omit<QueueSetup, 'handler'>, Omit<ProcessorParts, 'splitOff' | 'outcomes'> {
  readonly engine: QueueEngine;
  readonly outcomes: Pick<EventOutcomesParts, 'key' | 'oldKey' | 'windowMs' | 'wholeIds'>;
  /** Makes the id of a job that gives its events theirs. */
  readonly mint: () => string;
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
  private readonly outcomes: EventOutcomes;

  constructor(parts: LaneParts) {
    const { name, producer, clock, mint } = parts;
    this.name = name;
    this.outcomes = new EventOutcomes({ ...parts.outcomes, redis: producer, clock });
    this.processor = new JobProcessor({
      ...parts,
      outcomes: this.outcomes,
      splitOff: (event, from) => this.splitOff(event, from),
    });
    this.queue = parts.engine.open({ ...parts, handler: (job) => this.processor.process(job) });
    this.batcher = new JobBatcher({ add: (drafts) => this.add(drafts), mint, clock });
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
    await this.queue.close();
  }

  private async add(drafts: readonly JobDraft[]): Promise<boolean[]> {
    const [existed] = await Promise.all([this.queue.add(drafts), this.nameJobs(drafts)]);
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
    await this.add([
      { id: poisonId(event), type: String(event.type), data, dueAt: null, given: false, nameless: false },
    ]);
  }
}
