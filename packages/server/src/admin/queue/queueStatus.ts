import { type JobsPage, QUEUE_JOB_STATES, type QueueJobState, type QueueStatusReport } from '@unified-ws/protocol';
import type { JobControl, LaneStatus, StateCount } from '../../events/queue/queueEngine.js';
import type { NodeParts } from '../nodeParts.js';
import type { ClearTurn } from './clearTurn.js';
import type { QueueWorkers } from './queueWorkers.js';

type Counts = QueueStatusReport['counts'];

/** The state of the event queue, over all queues and nodes. Its cost does not depend on the number of jobs. */
export class QueueStatus {
  constructor(
    private readonly parts: Pick<NodeParts, 'queues' | 'clock' | 'settings'> & {
      readonly workers: QueueWorkers;
      readonly turn: ClearTurn;
    },
  ) {}

  async read(page: Promise<JobsPage> | null): Promise<QueueStatusReport> {
    const { queues, workers, turn, clock, settings } = this.parts;
    const lanes = queues.jobs();
    const [statuses, asked, clearing, jobs] = await Promise.all([
      Promise.all(lanes.map((lane) => lane.status())),
      workers.read(),
      turn.read(),
      page,
    ]);
    const now = clock.now();
    const counts = sumCounts(statuses);
    const partitions = statuses.map((status, index) => partition(lanes[index] as JobControl, status, now));
    const ages = partitions.flatMap(({ oldest_age_ms }) => (oldest_age_ms === null ? [] : [oldest_age_ms]));
    const rate = (pick: 'processed_per_minute' | 'failed_per_minute'): number =>
      asked.workers.reduce((total, node) => total + node[pick], 0);
    return {
      generated_at: new Date(now).toISOString(),
      queue_size: counts.waiting.jobs + counts.delayed.jobs + counts.active.jobs,
      queue_max: settings.eventQueueMax,
      counts,
      partitions,
      oldest_age_ms: ages.length === 0 ? null : Math.max(...ages),
      paused: statuses.some(({ paused }) => paused),
      workers: asked.workers,
      processed_per_minute: rate('processed_per_minute'),
      failed_per_minute: rate('failed_per_minute'),
      clearing,
      missing_nodes: asked.missing,
      ...(jobs === null ? {} : { jobs }),
    };
  }
}

function partition(lane: JobControl, status: LaneStatus, now: number): QueueStatusReport['partitions'][number] {
  return {
    queue: lane.name,
    paused: status.paused,
    counts: countsOf((state) => status.counts[state]),
    oldest_age_ms: status.oldestDueAt === null ? null : Math.max(0, Math.round(now - status.oldestDueAt)),
    active_on: status.activeOn,
  };
}

function sumCounts(statuses: readonly LaneStatus[]): Counts {
  return countsOf((state) => ({
    jobs: statuses.reduce((sum, { counts }) => sum + counts[state].jobs, 0),
    events: statuses.reduce((sum, { counts }) => sum + counts[state].events, 0),
    estimated: statuses.some(({ counts }) => counts[state].estimated),
  }));
}

function countsOf(of: (state: QueueJobState) => StateCount): Counts {
  const counts = QUEUE_JOB_STATES.map((state) => {
    const { jobs, events, estimated } = of(state);
    return [state, { jobs, events, events_estimated: estimated }] as const;
  });
  return Object.fromEntries(counts) as Counts;
}
