import type { EventStatus } from '@unified-ws/protocol';
import { AppError } from '../../util/appError.js';
import type { BroadcastLog } from '../log/broadcastLog.js';
import type { EventQueues } from '../queue/eventQueues.js';
import type { Trace } from '../queue/laneLookup.js';

/** What is told first when the queues of an event differ. */
const ORDER: readonly Trace['status'][] = ['queued', 'failed', 'expired', 'appended'];

/**
 * What became of an event, for those who published it. Nothing is written for it on the way of an event that is appended: the
 * log remembers the ids, and a job's id follows from those of its events.
 */
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
  async find(eventId: string): Promise<EventStatus> {
    const lookups = [...this.queues.lookups()];
    try {
      const [[seen], ...traces] = await Promise.all([
        this.log.seen([eventId]),
        ...lookups.map(([, lookup]) => lookup.trace(eventId)),
      ]);
      // A job that died after its append is still queued, and so is one whose completion is under way: the log knows best.
      if (seen) return { event_id: eventId, status: 'appended' };
      // An event for many users may be in several queues: it is appended when it is in all of them.
      const found = traces.flatMap((trace, index) => {
        const queue = lookups[index]?.[0];
        return trace && queue !== undefined ? [{ ...trace, queue }] : [];
      });
      const [worst] = found.sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
      if (!worst) return { event_id: eventId, status: 'unknown' };
      const { status, queue, jobId } = worst;
      return { event_id: eventId, status, queue, ...(jobId === null ? {} : { job_id: `${queue}.${jobId}` }) };
    } catch (error) {
      throw new AppError('UNAVAILABLE', 'it cannot be told what became of the event, try again', { cause: error });
    }
  }
}
