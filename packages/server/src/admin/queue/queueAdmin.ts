import type {
  ClearQueueRequest,
  FailedRetried,
  JobsPage,
  JobsPageRequest,
  QueueCleared,
  QueueJob,
  QueueStatusReport,
  QueueSwitched,
  RetryFailedRequest,
} from '@unified-ws/protocol';
import { AppError } from '../../util/appError.js';
import type { Actor, Ended } from '../audit/audit.js';
import type { Viewer } from '../events/payloadFor.js';
import type { NodeParts } from '../nodeParts.js';
import { ClearTurn } from './clearTurn.js';
import { ClearTally, clearedStates, QueueClear } from './queueClear.js';
import { QueueJobs } from './queueJobs.js';
import { QueueStatus } from './queueStatus.js';
import { QueueWorkers } from './queueWorkers.js';

/** The target of audit records about the whole queue. */
const QUEUE = 'event_queue';

/** The admin operations on the event queue, for every transport. Each change leaves an audit record, also when it failed. */
export class QueueAdmin {
  private readonly workers: QueueWorkers;
  private readonly status: QueueStatus;
  private readonly jobs: QueueJobs;
  private readonly clearing: QueueClear;

  constructor(
    private readonly parts: Pick<
      NodeParts,
      | 'queues'
      | 'audit'
      | 'catalogue'
      | 'commands'
      | 'redis'
      | 'keys'
      | 'clock'
      | 'logger'
      | 'report'
      | 'counts'
      | 'nodeId'
      | 'settings'
    >,
  ) {
    const turn = new ClearTurn(parts.redis, parts.keys);
    this.workers = new QueueWorkers(parts);
    this.status = new QueueStatus({ ...parts, turn, workers: this.workers });
    this.jobs = new QueueJobs(parts);
    this.clearing = new QueueClear({ ...parts, turn });
  }

  start(): void {
    this.workers.start();
  }

  stop(): void {
    this.workers.stop();
  }

  /** @throws AppError VALIDATION_ERROR for an invalid page, UNAVAILABLE when Redis does not answer; the methods below throw UNAVAILABLE too. */
  read(page: JobsPageRequest | undefined, viewer: Viewer): Promise<QueueStatusReport> {
    return this.asked(() => this.status.read(page === undefined ? null : this.jobs.page(page, viewer, '/jobs')));
  }

  page(page: JobsPageRequest, viewer: Viewer): Promise<JobsPage> {
    return this.asked(() => this.jobs.page(page, viewer, ''));
  }

  /** Null when there is no such job. */
  job(id: string, viewer: Viewer): Promise<QueueJob | null> {
    return this.asked(() => this.jobs.find(id, viewer));
  }

  /**
   * No worker on any node begins a job until `resume`, not even after restarts; jobs in work are finished. Publishing continues.
   */
  pause(reason: string | undefined, by: Actor): Promise<QueueSwitched> {
    return this.switch(true, reason, by);
  }

  resume(reason: string | undefined, by: Actor): Promise<QueueSwitched> {
    return this.switch(false, reason, by);
  }

  /** Null when there is no such job. @throws AppError CONFLICT when a worker has it. */
  remove(id: string, reason: string | undefined, by: Actor): Promise<true | null> {
    return this.changed({ action: 'delete_job', target: id, reason }, by, async () => {
      const { state, done } = await this.jobs.remove(id);
      if (state === null) return [null, 'not_found', 'refused'];
      if (!done) throw conflict(`The job is ${state}: it can't be deleted.`, state);
      this.parts.counts.queueAdmin.add('deleted_jobs');
      return [true, `deleted (${state})`];
    });
  }

  /** Puts the job at the end of its queue. Null when there is no such job. @throws AppError CONFLICT when the job is not failed. */
  retry(id: string, reason: string | undefined, by: Actor): Promise<true | null> {
    return this.changed({ action: 'retry_job', target: id, reason }, by, async () => {
      const { state, done } = await this.jobs.retry(id);
      if (state === null) return [null, 'not_found', 'refused'];
      if (!done) throw conflict(`The job is ${state}: only a failed one can be retried.`, state);
      this.parts.counts.queueAdmin.add('retried_jobs');
      return [true, 'retried'];
    });
  }

  retryFailed(request: RetryFailedRequest, by: Actor): Promise<FailedRetried> {
    const { reason } = request;
    return this.changed({ action: 'retry_failed', target: targetOf(request.event_types), reason }, by, async () => {
      const { jobs, events, notFailed, complete } = await this.jobs.retryFailed(request);
      this.parts.counts.queueAdmin.add('retried_jobs', jobs);
      const left = [...(await this.parts.queues.counts()).values()].reduce((sum, { failed }) => sum + failed, 0);
      const reply = {
        retried_jobs: jobs,
        retried_events: events,
        not_failed: notFailed,
        remaining_failed: left,
        complete,
        retried_at: this.now(),
      };
      return [reply, `retried ${events} events in ${jobs} jobs`];
    });
  }

  /** @throws AppError CONFLICT while another clear is under way. */
  clear(request: ClearQueueRequest, by: Actor): Promise<QueueCleared> {
    const states = clearedStates(request);
    const target = `${targetOf(request.event_types)} ${states.join(',')}`;
    const action = request.dry_run ? 'clear_queue_dry_run' : 'clear_queue';
    const tally = new ClearTally(states);
    return this.changed(
      { action, target, reason: request.reason },
      by,
      async () => {
        const cleared = await this.clearing.run(request, by.userId, tally);
        return [cleared, `${cleared.complete ? '' : 'incomplete: '}${summaryOf(tally)}`];
      },
      tally,
    );
  }

  private switch(paused: boolean, reason: string | undefined, by: Actor): Promise<QueueSwitched> {
    const action = paused ? 'pause_queue' : 'resume_queue';
    return this.changed({ action, target: QUEUE, reason }, by, async () => {
      const lanes = this.parts.queues.jobs();
      await Promise.all(lanes.map((lane) => (paused ? lane.pause() : lane.resume())));
      const reply = { paused, queues: lanes.map(({ name }) => name), changed_at: this.now() };
      return [reply, paused ? 'paused' : 'resumed'];
    });
  }

  /**
   * Does the work and records its result. `work` returns the answer and the text for the record.
   *
   * @param tally of a clear, so that the record of a failed clear tells what was removed.
   */
  private changed<T>(
    what: { readonly action: string; readonly target: string; readonly reason: string | undefined },
    by: Actor,
    work: () => Promise<Ended<T>>,
    tally: ClearTally | null = null,
  ): Promise<T> {
    const order = { action: what.action, target: what.target, reason: what.reason };
    return this.parts.audit.order(
      by,
      order,
      () => this.asked(work, tally),
      (code) => (tally === null || tally.jobs === 0 ? code : `${code}, after it ${summaryOf(tally)}`),
    );
  }

  private async asked<T>(work: () => Promise<T>, tally: ClearTally | null = null): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof AppError) throw error;
      this.parts.report(error, 'operations.queue');
      throw new AppError(
        'UNAVAILABLE',
        'The event queue does not answer; the request may have been carried out in part.',
        {
          cause: error,
          ...(tally === null ? {} : { details: { cleared_jobs: tally.jobs, cleared_events: tally.events } }),
        },
      );
    }
  }

  private now(): string {
    return new Date(this.parts.clock.now()).toISOString();
  }
}

function conflict(message: string, state: string): AppError {
  return new AppError('CONFLICT', message, { details: { state } });
}

function targetOf(types: readonly string[] | undefined): string {
  return types === undefined ? QUEUE : `${QUEUE} ${types.join(',').slice(0, 200)}`;
}

function summaryOf(tally: ClearTally): string {
  return `cleared ${tally.events} events in ${tally.jobs} jobs`;
}
