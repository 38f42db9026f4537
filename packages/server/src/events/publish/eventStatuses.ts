import type { EventStatus } from '@unified-ws/protocol';
import { AppError } from '../../util/appError.js';
import { MAX_RECORDED_USERS } from '../event/eventPosition.js';
import type { BroadcastLog } from '../log/broadcastLog.js';
import type { EventQueues } from '../queue/eventQueues.js';
import type { EventRecord } from '../queue/eventRecord.js';
import type { Trace } from '../queue/laneLookup.js';

/** What is told first when the queues of an event differ. */
const ORDER: readonly Trace['status'][] = ['queued', 'failed', 'expired', 'appended'];

/** Where an event is, and how it ended. */
export interface EventTrace {
  readonly status: EventStatus['status'];
  /** The queue that has or had it; null when the log knows it. */
  readonly queue: string | null;
  /** `<queue>.<id>` of the job that holds it. */
  readonly jobId: string | null;
  /** Of an event for users of several queues the one of all that are done. */
  readonly record: EventRecord | null;
}

/** What became of an event. The log remembers the ids of broadcasts, the queues remember the rest. */
export class EventStatuses {
  private readonly log: Pick<BroadcastLog, 'seen'>;
  private readonly queues: Pick<EventQueues, 'lookups'>;

  constructor(log: Pick<BroadcastLog, 'seen'>, queues: Pick<EventQueues, 'lookups'>) {
    this.log = log;
    this.queues = queues;
  }

  /**
   * `unknown` for an event that never was, or that was appended, failed or dropped longer ago than IDEMPOTENCY_WINDOW_MS.
   *
   * @throws AppError UNAVAILABLE when Redis does not tell.
   */
  async find(eventId: string): Promise<EventTrace> {
    const lookups = [...this.queues.lookups()];
    try {
      const [[seen], ...traces] = await Promise.all([
        this.log.seen([eventId]),
        ...lookups.map(([, lookup]) => lookup.trace(eventId)),
      ]);
      const record = joined(traces.flatMap((trace) => trace?.record ?? []));
      // A job that died after its append is still queued, and so is one whose completion is under way: the log knows best.
      if (seen) return { status: 'appended', queue: null, jobId: null, record };
      // An event for many users may be in several queues: it is appended when it is in all of them.
      const found = traces.flatMap((trace, index) => {
        const queue = lookups[index]?.[0];
        return trace && queue !== undefined ? [{ ...trace, queue }] : [];
      });
      const [worst] = found.sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
      if (!worst) return { status: 'unknown', queue: null, jobId: null, record: null };
      const { status, queue, jobId } = worst;
      return { status, queue, jobId: jobId === null ? null : `${queue}.${jobId}`, record };
    } catch (error) {
      throw new AppError('UNAVAILABLE', 'it cannot be told what became of the event, try again', { cause: error });
    }
  }
}

/** One record of those that the queues of an event have. */
function joined(records: readonly EventRecord[]): EventRecord | null {
  const [first] = records;
  if (first === undefined || records.length === 1) return first ?? null;
  return {
    ...first,
    endedAt: Math.max(...records.map(({ endedAt }) => endedAt)),
    userIds: first.userIds && records.flatMap(({ userIds }) => userIds ?? []).slice(0, MAX_RECORDED_USERS),
    userCount: records.reduce((sum, { userCount }) => sum + userCount, 0),
    positions: records.flatMap(({ positions }) => positions).slice(0, MAX_RECORDED_USERS),
  };
}
