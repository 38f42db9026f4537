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

const COUNT_MAX_AGE_MS = 250;
const RETRY_AFTER_MS = 1000;

/** Refuses events while there is no room for them: a soft bound on jobs, and one on the memory of Redis (Q6). */
export class Admission {
  /** Publishes refused, by reason. */
  readonly refused = { jobs: 0, memory: 0 };
  private readonly parts: AdmissionParts;
  private jobs = 0;
  private at = Number.NEGATIVE_INFINITY;
  private full = false;
  private refreshing: Promise<void> | null = null;

  constructor(parts: AdmissionParts) {
    this.parts = parts;
  }

  /** An event was added: it counts as a job until jobs are counted again. */
  added(): void {
    this.jobs += 1;
  }

  /** @throws AppError RATE_LIMITED, or UNAVAILABLE when it is unknown whether there is room. */
  async admit(): Promise<void> {
    if (this.parts.clock.mono() - this.at > COUNT_MAX_AGE_MS) {
      this.refreshing ??= this.refresh();
      await this.refreshing;
    }
    const details = { retry_after_ms: RETRY_AFTER_MS };
    if (this.jobs >= this.parts.maxJobs) {
      this.refused.jobs += 1;
      throw new AppError('RATE_LIMITED', 'the event queue is full', { details });
    }
    if (this.full) {
      this.refused.memory += 1;
      throw new AppError('RATE_LIMITED', 'the event store is nearly out of memory', { details });
    }
  }

  private async refresh(): Promise<void> {
    const { counts, memory, clock, report, away, onSilence } = this.parts;
    try {
      const [jobs, full] = await Promise.all([counts(), memory.isFull()]);
      this.jobs = [...jobs.values()].reduce((sum, { waiting, active, delayed }) => sum + waiting + active + delayed, 0);
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
