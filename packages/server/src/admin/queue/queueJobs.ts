import {
  DEFAULT_JOBS_PAGE,
  DEFAULT_RETRIED_JOBS,
  JOB_ID_PATTERN,
  type JobsPage,
  type JobsPageRequest,
  MAX_JOBS_PAGE,
  type QueueJob,
  type RetryFailedRequest,
} from '@unified-ws/protocol';
import type { JobControl, JobFilter, JobOutcome, StoredJob, WalkPlace } from '../../events/queue/queueEngine.js';
import { AppError } from '../../util/appError.js';
import type { Viewer } from '../events/payloadFor.js';
import type { NodeParts } from '../nodeParts.js';
import { jobView } from './jobView.js';
import { StepSize } from './stepSize.js';

/** Upper bound of a caller's wait for a retry of many jobs. */
const MAX_RETRY_MS = 5000;

export interface Retried {
  readonly jobs: number;
  readonly events: number;
  /** Given ids of jobs that are not failed. */
  readonly notFailed: readonly string[];
  readonly complete: boolean;
}

const JOB_ID = new RegExp(JOB_ID_PATTERN);

/** Single jobs, pages of them, and retries. */
export class QueueJobs {
  constructor(private readonly parts: Pick<NodeParts, 'queues' | 'catalogue' | 'clock'>) {}

  /**
   * A page of the jobs of one state: queue by queue (`events-0`, …, `events-urgent`), in each queue the next to run first, or the
   * last finished first. The order is stable as long as the jobs do not change.
   *
   * @param place of the page in the request, for the path of a validation error.
   * @throws AppError VALIDATION_ERROR for an invalid or too large page.
   */
  async page(request: JobsPageRequest, viewer: Viewer, place: string): Promise<JobsPage> {
    const { queues, catalogue } = this.parts;
    const { state, start = 0, end = start + DEFAULT_JOBS_PAGE - 1 } = request;
    if (end < start) throw invalid(`${place}/end`, 'must not be less than start');
    if (end - start >= MAX_JOBS_PAGE) throw invalid(`${place}/end`, `must be less than start + ${MAX_JOBS_PAGE}`);
    const counts = await queues.counts();
    const slices: Promise<QueueJob[]>[] = [];
    let before = 0;
    for (const lane of queues.jobs()) {
      const size = counts.get(lane.name)?.[state] ?? 0;
      const first = Math.max(0, start - before);
      const last = Math.min(size - 1, end - before);
      before += size;
      if (first > last) continue;
      const view = (jobs: readonly StoredJob[]): QueueJob[] =>
        jobs.map((job) => jobView(job, lane.name, viewer, catalogue()));
      slices.push(lane.page(state, first, last).then(view));
    }
    return { state, start, end, total: before, jobs: (await Promise.all(slices)).flat() };
  }

  /** @throws AppError VALIDATION_ERROR for an invalid job id. Null when there is no such job. */
  async find(wireId: string, viewer: Viewer): Promise<QueueJob | null> {
    const { lane, id } = this.locate(wireId);
    const job = (await lane?.find(id)) ?? null;
    return job && lane ? jobView(job, lane.name, viewer, this.parts.catalogue()) : null;
  }

  async remove(wireId: string): Promise<JobOutcome> {
    const { lane, id } = this.locate(wireId);
    return lane ? lane.remove(id) : { state: null, done: false, events: 0 };
  }

  async retry(wireId: string): Promise<JobOutcome> {
    const { lane, id } = this.locate(wireId);
    return lane ? lane.retry(id) : { state: null, done: false, events: 0 };
  }

  /** @throws AppError VALIDATION_ERROR for filters that exclude each other. */
  async retryFailed(request: RetryFailedRequest): Promise<Retried> {
    const { ids } = request;
    if (ids === undefined) return this.retryMatching(request);
    if (request.event_types !== undefined) throw invalid('/event_types', 'is not allowed together with ids');
    if (request.limit !== undefined) throw invalid('/limit', 'is not allowed together with ids');
    const unique = [...new Set(ids)];
    const outcomes = await Promise.all(unique.map((id) => this.retry(id)));
    const retried = unique.filter((_, index) => outcomes[index]?.done);
    return {
      jobs: retried.length,
      events: outcomes.reduce((sum, { done, events }) => sum + (done ? events : 0), 0),
      notFailed: unique.filter((_, index) => !outcomes[index]?.done),
      complete: true,
    };
  }

  private async retryMatching({ event_types, limit = DEFAULT_RETRIED_JOBS }: RetryFailedRequest): Promise<Retried> {
    const { queues, clock } = this.parts;
    const now = clock.now();
    const deadline = clock.mono() + MAX_RETRY_MS;
    const filter: JobFilter = { addedUntil: now, types: event_types ?? null, finishedUntil: now };
    let jobs = 0;
    let events = 0;
    for (const lane of queues.jobs()) {
      const stepSize = new StepSize();
      let place: WalkPlace | null = null;
      for (let over = false; !over && jobs < limit; ) {
        const began = clock.mono();
        if (began >= deadline) return { jobs, events, notFailed: [], complete: false };
        const step = await lane.walk('failed', 'retry', filter, place, stepSize.size, limit - jobs);
        stepSize.took(clock.mono() - began);
        jobs += step.jobs;
        events += step.events;
        place = step.place;
        over = step.over;
      }
    }
    return { jobs, events, notFailed: [], complete: true };
  }

  private locate(wireId: string): { readonly lane: JobControl | undefined; readonly id: string } {
    if (!JOB_ID.test(wireId)) throw invalid('/id', 'must be <queue>.<id>');
    const dot = wireId.indexOf('.');
    const name = wireId.slice(0, dot);
    return { lane: this.parts.queues.jobs().find((lane) => lane.name === name), id: wireId.slice(dot + 1) };
  }
}

function invalid(path: string, message: string): AppError {
  return new AppError('VALIDATION_ERROR', `The request is not valid: ${path} ${message}.`, {
    details: { errors: [{ path, message }] },
  });
}
