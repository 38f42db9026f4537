import type { Core } from '../../core.js';
import type { QueueWorker } from './queueEngine.js';

const RENEWAL_REASONS = ['stalled', 'ended'] as const;
export type RenewalReason = (typeof RENEWAL_REASONS)[number];

export interface WorkerWatchParts extends Pick<Core, 'clock' | 'report'> {
  readonly workers: () => readonly QueueWorker[];
  readonly renew: (worker: QueueWorker) => Promise<void>;
  /** Whether this node's workers leave the jobs to others just now, or have not started yet. */
  readonly standsAside: () => boolean;
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

/** Looks per stall time; each second at least, so that a stall is reported within 5 s (G7). */
const LOOKS = 5;
const MAX_LOOK_MS = 1000;
/** A worker without its connections for this long is reported: a restart of Redis, or a network cut, is over sooner. */
const UNCONNECTED_MS = 3000;
/** A renewal that takes longer hangs, and another is tried. */
const RENEWAL_PATIENCE_MS = 10_000;

/**
 * Detects queues whose jobs no worker starts: a worker that hangs in Redis looks like one that has nothing to do. Each node then
 * makes a new worker of its own, whoever's fault it was.
 */
export class WorkerWatch {
  readonly renewals: Record<RenewalReason, number> = { stalled: 0, ended: 0 };
  private readonly parts: WorkerWatchParts;
  private readonly sights = new Map<string, Sight>();
  private timer: NodeJS.Timeout | null = null;
  private looking = false;
  private silent = false;
  private lookedSince = Number.POSITIVE_INFINITY;
  private renewingSince = Number.NEGATIVE_INFINITY;
  /** Since when the worker of a queue lacks its connections, monotonic ms. */
  private readonly unconnected = new Map<string, number>();

  constructor(parts: WorkerWatchParts) {
    this.parts = parts;
  }

  start(): void {
    this.timer ??= setInterval(() => void this.look(), Math.min(MAX_LOOK_MS, this.parts.stallMs / LOOKS));
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

  /** Whether the queues did not answer the last look. Nothing can be said of the jobs then. */
  get isSilent(): boolean {
    return this.silent || this.parts.clock.mono() - this.lookedSince > UNCONNECTED_MS;
  }

  /** What does not run of this node's workers; null: all do. A queue that does not answer at all is not their fault. */
  fault(): string | null {
    const now = this.parts.clock.mono();
    const named = (lanes: readonly string[]): string => [...lanes].sort().join(', ');
    const workers = this.parts.workers();
    const ended = workers.filter((worker) => !worker.runs()).map(({ name }) => name);
    if (ended.length > 0) return `do not run (${named(ended)})`;
    if (this.isSilent) return null;
    const lost = [...this.unconnected].filter(([, since]) => now - since >= UNCONNECTED_MS).map(([name]) => name);
    return lost.length > 0 ? `are not connected, though Redis answers (${named(lost)})` : null;
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    this.lookedSince = this.parts.clock.mono();
    const workers = this.parts.workers();
    for (const worker of workers) this.lookAtConnections(worker);
    // At the same time: each may take as long as a command may.
    const answered = await Promise.all(workers.map((worker) => this.lookAtJobs(worker)));
    this.silent = answered.includes(false);
    this.lookedSince = Number.POSITIVE_INFINITY;
    this.looking = false;
    if (!this.silent) this.renewOne(workers);
  }

  private lookAtConnections(worker: QueueWorker): void {
    if (worker.isConnected()) this.unconnected.delete(worker.name);
    else if (!this.unconnected.has(worker.name)) this.unconnected.set(worker.name, this.parts.clock.mono());
  }

  /** False when the queue did not answer: nothing can be said of its workers then. */
  private async lookAtJobs(worker: QueueWorker): Promise<boolean> {
    const { clock, report } = this.parts;
    try {
      const jobId = await worker.untouchedJob();
      const now = clock.mono();
      if (jobId === null) this.sights.delete(worker.name);
      else if (this.sights.get(worker.name)?.jobId !== jobId) {
        this.sights.set(worker.name, { jobId, since: now, renewedAt: now });
      }
      return true;
    } catch (error) {
      this.sights.delete(worker.name);
      report(error, WHERE);
      return false;
    }
  }

  /** The first that needs it: a new connection serves the others too. A renewal may wait for Redis, the looks go on meanwhile. */
  private renewOne(workers: readonly QueueWorker[]): void {
    const { clock, report, renew, standsAside, stallMs } = this.parts;
    const now = clock.mono();
    if (standsAside() || this.timer === null || now - this.renewingSince < RENEWAL_PATIENCE_MS) return;
    for (const worker of workers) {
      const sight = this.sights.get(worker.name);
      const stalled = sight !== undefined && now - sight.renewedAt >= stallMs;
      if (!stalled && worker.runs()) continue;
      const reason = stalled ? 'stalled' : 'ended';
      this.renewals[reason] += 1;
      if (sight) sight.renewedAt = now;
      report(
        new Error(`${worker.name}: the worker ${stalled ? 'starts nothing' : 'does not run'}, a new one is made`),
        WHERE,
      );
      this.renewingSince = now;
      renew(worker)
        .catch((error: unknown) => report(error, WHERE))
        .finally(() => {
          if (this.renewingSince === now) this.renewingSince = Number.NEGATIVE_INFINITY;
        });
      return;
    }
  }
}

const WHERE = 'events.worker_watch';
