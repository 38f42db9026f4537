import type { Core } from '../../core.js';
import { AppError } from '../../util/appError.js';
import type { MemoryGuard } from './memoryGuard.js';
import type { JobCounts } from './queueEngine.js';

export interface AdmissionParts extends Pick<Core, 'clock' | 'report'> {
  readonly counts: () => Promise<ReadonlyMap<string, JobCounts>>;
  readonly memory: Pick<MemoryGuard, 'isFull'>;
  /** The error text for publishers when Redis does not answer. */
  readonly away: string;
  /** Redis did not answer. */
  readonly onSilence: () => void;
  /** EVENT_QUEUE_MAX. */
  readonly maxJobs: number;
}

/** A count is repeated in the background when it is this old; publishers wait for one only when it is older than the maximum. */
const COUNT_AGE_MS = 500;
const COUNT_MAX_AGE_MS = 1000;
const RETRY_AFTER_MS = 1000;

/** Refuses events while there is no room for them: a soft bound on jobs, and one on the memory of Redis (Q6). */
export class Admission {
  /** Publishes refused, by reason. */
  readonly refused = { jobs: 0, memory: 0 };
  private readonly parts: AdmissionParts;
  private jobs = 0;
  /** Queues in which no job waits or is in work. */
  private empty: ReadonlySet<string> = new Set();
  private at = Number.NEGATIVE_INFINITY;
  private full = false;
  private refreshing: Promise<void> | null = null;

  constructor(parts: AdmissionParts) {
    this.parts = parts;
  }

  /** Events were queued: each counts as a job until jobs are counted again. */
  added(events: number): void {
    this.jobs += events;
  }

  /**
   * @param queues whose events go past them while they are empty; null: the events become jobs in any case.
   * @throws AppError RATE_LIMITED, or UNAVAILABLE when it is unknown whether there is room.
   */
  async admit(queues: readonly string[] | null): Promise<void> {
    const age = this.parts.clock.mono() - this.at;
    if (age > COUNT_AGE_MS) {
      this.refreshing ??= this.refresh();
      if (age > COUNT_MAX_AGE_MS) await this.refreshing;
      // Who waits for a count is told of its failure; it was reported already.
      else this.refreshing.catch(() => undefined);
    }
    const past = queues?.every((name) => this.empty.has(name)) ?? false;
    if (this.jobs >= this.parts.maxJobs && !past) this.refuse('jobs', 'the event queue is full');
    if (this.full) this.refuse('memory', 'the event store is nearly out of memory');
  }

  /** @throws AppError RATE_LIMITED: what this node has accepted and not yet written takes too much of its memory. */
  refuseWaiting(): never {
    return this.refuse('memory', 'too many events wait to be written');
  }

  private refuse(reason: 'jobs' | 'memory', text: string): never {
    this.refused[reason] += 1;
    throw new AppError('RATE_LIMITED', text, { details: { retry_after_ms: RETRY_AFTER_MS } });
  }

  private async refresh(): Promise<void> {
    const { counts, memory, clock, report, away, onSilence } = this.parts;
    try {
      const [jobs, full] = await Promise.all([counts(), memory.isFull()]);
      this.jobs = [...jobs.values()].reduce((sum, { waiting, active, delayed }) => sum + waiting + active + delayed, 0);
      this.empty = new Set([...jobs].filter(([, { waiting, active }]) => waiting + active === 0).map(([name]) => name));
      this.full = full;
      this.at = clock.mono();
    } catch (error) {
      report(error, 'events.count');
      onSilence();
      throw new AppError('UNAVAILABLE', away, { cause: error });
    } finally {
      this.refreshing = null;
    }
  }
}
