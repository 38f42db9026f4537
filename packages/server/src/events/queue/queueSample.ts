import type { Core } from '../../core.js';
import type { EventQueues } from './eventQueues.js';
import type { JobCounts } from './queueEngine.js';

/** A sample older than this, milliseconds, is renewed at the next read. */
const FRESH_MS = 5000;

interface Sample {
  readonly counts: ReadonlyMap<string, JobCounts>;
  /** Names of the queues that an admin has paused. */
  readonly paused: readonly string[];
  /** Monotonic ms. */
  readonly at: number;
}

type QueueSampleParts = Pick<Core, 'clock' | 'report'> & { readonly queues: Pick<EventQueues, 'counts' | 'paused'> };

/** The queues' counts for the metrics. A read never waits for Redis: it returns the last sample and requests the next one. */
export class QueueSample {
  private readonly parts: QueueSampleParts;
  private latest: Sample | null = null;
  private running = false;

  constructor(parts: QueueSampleParts) {
    this.parts = parts;
  }

  /** Null if there is no sample yet. */
  look(): Sample | null {
    const { clock } = this.parts;
    const stale = this.latest === null || clock.mono() - this.latest.at > FRESH_MS;
    if (stale && !this.running) void this.renew();
    return this.latest;
  }

  private async renew(): Promise<void> {
    const { queues, clock, report } = this.parts;
    this.running = true;
    try {
      const [counts, paused] = await Promise.all([queues.counts(), queues.paused()]);
      this.latest = { counts, paused, at: clock.mono() };
    } catch (error) {
      report(error, 'metrics.queues');
    } finally {
      this.running = false;
    }
  }
}
