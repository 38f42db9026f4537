import type { Clock } from '../clock.js';
import type { Report } from '../observability/logger.js';

export interface WatchedLane {
  readonly name: string;
  /**
   * The id of the job that is next in line, while nobody in the cluster has one of this queue in work and it is not paused;
   * else null.
   */
  untouchedJob(): Promise<string | null>;
  /** False when this node's worker gave up by itself. */
  workerRuns(): boolean;
}

const RENEWAL_REASONS = ['stalled', 'ended'] as const;
export type RenewalReason = (typeof RENEWAL_REASONS)[number];

export interface WorkerWatchParts {
  readonly lanes: () => readonly WatchedLane[];
  /** Replaces this node's worker of the lane. */
  readonly renew: (lane: WatchedLane, reason: RenewalReason) => Promise<void>;
  /** Whether this node's workers leave the jobs to others just now. */
  readonly standsAside: () => boolean;
  readonly clock: Pick<Clock, 'mono'>;
  readonly report: Report;
  /** WORKER_STALL_MS. */
  readonly stallMs: number;
}

interface Sight {
  readonly jobId: string;
  /** Monotonic ms. */
  readonly since: number;
  /** When the worker was renewed for it; the next one gets as long. */
  renewedAt: number;
}

/** Looks per stall time. */
const LOOKS = 5;

/**
 * Sees queues whose jobs nobody starts: a worker that hangs in Redis looks like one that has nothing to do. Each node then
 * makes a new worker of its own, whoever's fault it was.
 */
export class WorkerWatch {
  readonly renewals: Record<RenewalReason, number> = { stalled: 0, ended: 0 };
  private readonly parts: WorkerWatchParts;
  private readonly sights = new Map<string, Sight>();
  private timer: NodeJS.Timeout | null = null;
  private looking = false;

  constructor(parts: WorkerWatchParts) {
    this.parts = parts;
  }

  start(): void {
    this.timer ??= setInterval(() => void this.look(), this.parts.stallMs / LOOKS);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** How long the job that is next in line of a queue was seen untouched, milliseconds; 0: it is not. */
  stalledMs(lane: string): number {
    const sight = this.sights.get(lane);
    return sight ? this.parts.clock.mono() - sight.since : 0;
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      for (const lane of this.parts.lanes()) await this.lookAt(lane);
    } finally {
      this.looking = false;
    }
  }

  private async lookAt(lane: WatchedLane): Promise<void> {
    const { clock, report, renew, standsAside, stallMs } = this.parts;
    try {
      const jobId = await lane.untouchedJob();
      const now = clock.mono();
      let sight = this.sights.get(lane.name);
      if (jobId === null) this.sights.delete(lane.name);
      else if (sight?.jobId !== jobId) {
        sight = { jobId, since: now, renewedAt: now };
        this.sights.set(lane.name, sight);
      }
      if (standsAside() || this.timer === null) return;
      const stalled = jobId !== null && sight !== undefined && now - sight.renewedAt >= stallMs;
      if (!stalled && lane.workerRuns()) return;
      const reason = stalled ? 'stalled' : 'ended';
      this.renewals[reason] += 1;
      if (sight) sight.renewedAt = now;
      report(new Error(`${lane.name}: the worker ${stalled ? 'starts nothing' : 'gave up'}, a new one is made`), WHERE);
      await renew(lane, reason);
    } catch (error) {
      // Redis does not answer: nothing can be said of the workers.
      this.sights.delete(lane.name);
      report(error, WHERE);
    }
  }
}

const WHERE = 'events.worker_watch';
