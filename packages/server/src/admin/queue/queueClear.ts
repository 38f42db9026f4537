import {
  type ClearableState,
  type ClearQueueRequest,
  DEFAULT_CLEARED_STATES,
  type QueueCleared,
} from '@unified-ws/protocol';
import type { JobControl, JobFilter, WalkPlace } from '../../events/queue/queueEngine.js';
import type { NodeParts } from '../nodeParts.js';
import type { ClearTurn } from './clearTurn.js';
import { StepSize } from './stepSize.js';

/** States in the order of job flow, so that no job slips past: delayed jobs become waiting, and waiting jobs may fail. */
const STATE_ORDER: readonly ClearableState[] = ['delayed', 'waiting', 'failed', 'completed'];
/** Upper bound of a caller's wait; 100,000 jobs take about a second. */
const MAX_MS = 10_000;
/** Progress is written this often, ms; well before the lock of the clear lapses. */
const TELL_MS = 500;

/** Jobs cleared so far. */
export class ClearTally {
  readonly byState = new Map<ClearableState, { jobs: number; events: number }>();
  readonly active = new Set<string>();
  jobs = 0;
  events = 0;

  constructor(states: readonly ClearableState[]) {
    for (const state of states) this.byState.set(state, { jobs: 0, events: 0 });
  }

  add(state: ClearableState, jobs: number, events: number): void {
    const sum = this.byState.get(state);
    if (!sum) throw new Error(`${state} is not being cleared`);
    sum.jobs += jobs;
    sum.events += events;
    this.jobs += jobs;
    this.events += events;
  }
}

/**
 * Removes jobs in many small atomic steps, queue by queue, one step at a time. Nothing is paused (Q5): workers and
 * publishers continue between the steps. A clear that dies leaves working queues, and the remaining jobs for the next clear. Jobs added
 * after it began stay, as far as the clocks of the nodes agree.
 */
export class QueueClear {
  constructor(
    private readonly parts: Pick<NodeParts, 'queues' | 'clock' | 'logger' | 'report' | 'nodeId' | 'counts'> & {
      readonly turn: ClearTurn;
    },
  ) {}

  /**
   * @param tally is filled step by step, so that the caller knows what a failed clear has done.
   * @throws AppError CONFLICT while another clear is under way; the error of Redis when a command fails.
   */
  async run(request: ClearQueueRequest, by: string, tally: ClearTally): Promise<QueueCleared> {
    const { clock, turn } = this.parts;
    const startedAt = clock.mono();
    const { dry_run: dryRun = false } = request;
    const now = clock.now();
    const filter: JobFilter = {
      addedUntil: now - (request.older_than_ms ?? 0),
      types: request.event_types ?? null,
      finishedUntil: now,
    };
    const progress = () => ({
      by,
      node_id: this.parts.nodeId,
      started_at: new Date(now).toISOString(),
      cleared_jobs: tally.jobs,
      cleared_events: tally.events,
    });
    const held = dryRun ? null : await turn.take(progress());
    let complete: boolean;
    try {
      complete = await this.walkAll(filter, dryRun, startedAt + MAX_MS, tally, () => held?.tell(progress()));
    } finally {
      await held?.end().catch((error: unknown) => this.parts.report(error, 'operations.clear_turn'));
    }
    return {
      cleared_events: tally.events,
      cleared_jobs: tally.jobs,
      by_state: Object.fromEntries(tally.byState),
      skipped_active: tally.active.size,
      dry_run: dryRun,
      complete,
      took_ms: Math.round(clock.mono() - startedAt),
      cleared_at: new Date(clock.now()).toISOString(),
    };
  }

  private async walkAll(
    filter: JobFilter,
    dryRun: boolean,
    deadline: number,
    tally: ClearTally,
    tell: () => Promise<void> | undefined,
  ): Promise<boolean> {
    const { queues, clock, logger, counts } = this.parts;
    let reportedAt = clock.mono();
    for (const lane of queues.jobs()) {
      for (const state of STATE_ORDER) {
        if (!tally.byState.has(state)) continue;
        for await (const step of this.walk(lane, state, dryRun, filter)) {
          tally.add(state, step.jobs, step.events);
          for (const id of step.active) tally.active.add(`${lane.name}.${id}`);
          if (!dryRun) {
            counts.queueAdmin.add('cleared_jobs', step.jobs);
            counts.queueAdmin.add('cleared_events', step.events);
          }
          const now = clock.mono();
          if (now >= deadline) return false;
          if (now - reportedAt < TELL_MS) continue;
          reportedAt = now;
          await tell();
          logger.info(
            { queue: lane.name, state, jobs: tally.jobs, events: tally.events, dryRun },
            'clearing the queue',
          );
        }
      }
    }
    return true;
  }

  private async *walk(lane: JobControl, state: ClearableState, dryRun: boolean, filter: JobFilter) {
    const stepSize = new StepSize();
    let place: WalkPlace | null = null;
    for (;;) {
      const { clock } = this.parts;
      const began = clock.mono();
      const step = await lane.walk(state, dryRun ? 'count' : 'remove', filter, place, stepSize.size);
      stepSize.took(clock.mono() - began);
      place = step.place;
      yield step;
      if (step.over) return;
    }
  }
}

/** The states that a request names, in the order in which they are cleared. */
export function clearedStates({ states }: ClearQueueRequest): ClearableState[] {
  const wanted: readonly ClearableState[] = states ?? DEFAULT_CLEARED_STATES;
  return STATE_ORDER.filter((state) => wanted.includes(state));
}
