import type { EventStatus } from '@unified-ws/protocol';
import { AppError } from '../errors.js';
import type { LaneLookup } from './laneLookup.js';
import type { BroadcastLog } from './log.js';

export interface EventStatusesParts {
  readonly log: Pick<BroadcastLog, 'seen'>;
  /** The queues by name. */
  readonly lookups: () => ReadonlyMap<string, LaneLookup>;
}

/** An event for several users may lie in several queues (Q3): it is appended when it is so for all of them. */
const RANK: Readonly<Record<EventStatus['status'], number>> = {
  unknown: 0,
  appended: 1,
  expired: 2,
  failed: 3,
  queued: 4,
};

/**
 * What became of an event, for those who published it. Nothing is written for it on the way of an event that is appended: the
 * log remembers the ids, and a job's id follows from those of its events.
 */
export class EventStatuses {
  private readonly parts: EventStatusesParts;

  constructor(parts: EventStatusesParts) {
    this.parts = parts;
  }

  /**
   * `unknown` for an event that never was, or that was appended, failed or dropped more than 15 minutes ago.
   *
   * @throws AppError UNAVAILABLE when Redis does not tell.
   */
  async find(eventId: string): Promise<EventStatus> {
    const lookups = [...this.parts.lookups()];
    try {
      const [[seen], ...traces] = await Promise.all([
        this.parts.log.seen([eventId]),
        ...lookups.map(([, lookup]) => lookup.trace(eventId)),
      ]);
      // A job that died after its append is still queued, and so is one whose completion is under way: the log knows best.
      if (seen) return { event_id: eventId, status: 'appended' };
      let found: EventStatus = { event_id: eventId, status: 'unknown' };
      for (const [index, trace] of traces.entries()) {
        const queue = lookups[index]?.[0];
        if (!trace || queue === undefined || RANK[trace.status] <= RANK[found.status]) continue;
        const job = trace.jobId === null ? {} : { job_id: `${queue}.${trace.jobId}` };
        found = { event_id: eventId, status: trace.status, queue, ...job };
      }
      return found;
    } catch (error) {
      throw new AppError('UNAVAILABLE', 'it cannot be told what became of the event, try again', { cause: error });
    }
  }
}
