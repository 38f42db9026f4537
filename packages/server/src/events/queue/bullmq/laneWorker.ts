import { setTimeout as sleep } from 'node:timers/promises';
import { type Job, Worker } from 'bullmq';
import type { JobData } from '../queueEngine.js';

/** How long a worker that was woken for nothing leaves the lane to the one that has it. */
const STANDBY_MS = 50;

/**
 * BullMQ wakes one more worker with every job that is taken, to share the load. Here one job runs at a time, so that
 * worker finds the lane taken: half as much Redis time again for every job. A worker that was woken for nothing and has
 * not worked since it last asked therefore pauses: another worker has the lane and will take the next job too.
 */
export class LaneWorker extends Worker<JobData, void, string> {
  /** Whether a worker has the lane. Else a stale marker woke this worker, and a job that comes now must not wait out the pause. */
  isTaken: () => Promise<boolean> = () => Promise.resolve(true);
  private worked = false;
  private askedAt = Number.NEGATIVE_INFINITY;

  protected override async moveToActive(token: string, name?: string): Promise<Job<JobData, void, string>> {
    const job = await super.moveToActive(token, name);
    const now = performance.now();
    // Not woken, but due to look by itself: no other worker is known to have the lane, and a job that comes now should not wait.
    const woken = now - this.askedAt < (this.opts.drainDelay ?? 0) * 900;
    this.askedAt = now;
    if (job === undefined && woken && !this.worked && !this.closing && (await this.isTaken())) await sleep(STANDBY_MS);
    this.worked = false;
    return job;
  }

  protected override callProcessJob(
    job: Job<JobData, void, string>,
    token: string,
    signal?: AbortSignal,
  ): Promise<void> {
    this.worked = true;
    return super.callProcessJob(job, token, signal);
  }
}
