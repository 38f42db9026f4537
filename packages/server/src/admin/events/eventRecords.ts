import {
  DEFAULT_EVENT_LIST,
  type EventList,
  type EventStatus,
  formatPosition,
  type ListEventsRequest,
  type ListedEvent,
} from '@unified-ws/protocol';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import type { EventRecord } from '../../events/queue/eventRecord.js';
import { AppError } from '../../util/appError.js';
import { parseTime } from '../../util/parseTime.js';
import type { NodeParts } from '../nodeParts.js';
import { EventWalk, type WalkPlace } from './eventWalk.js';
import { payloadFor, type Viewer } from './payloadFor.js';

/** Entries looked at by one request at most; a filter without matches returns a short page and a cursor. */
const MAX_LOOKED_AT = 5000;

/** What became of events: one by its id, or the recent ones. Payloads are not part of it. */
export class EventRecords {
  constructor(private readonly parts: Pick<NodeParts, 'eventStatuses' | 'queues' | 'catalogue' | 'report'>) {}

  /** @throws AppError UNAVAILABLE when Redis does not tell. */
  async find(eventId: string, viewer: Viewer): Promise<EventStatus> {
    const { status, queue, jobId, record } = await this.parts.eventStatuses.find(eventId);
    const isOwn = record?.publisher === viewer.userId;
    return {
      event_id: eventId,
      status,
      ...(queue === null ? {} : { queue }),
      ...(jobId === null ? {} : { job_id: jobId }),
      ...(record !== null && (isOwn || viewer.permissions.has('admin:queue')) ? this.view(record, viewer) : {}),
    };
  }

  /** @throws AppError VALIDATION_ERROR for an invalid time, UNAVAILABLE when Redis does not answer. */
  async list(request: ListEventsRequest, viewer: Viewer): Promise<EventList> {
    const { event_type: type, publisher, limit = DEFAULT_EVENT_LIST, cursor } = request;
    const lookups = [...this.parts.queues.lookups()];
    const from = timeOf('from', request.from) ?? '-';
    const to = timeOf('to', request.to) ?? '+';
    const walk = new EventWalk(
      lookups.map(([, lookup]) => lookup),
      from,
      to,
      placeOf(cursor),
    );
    const events: ListedEvent[] = [];
    let last: WalkPlace | null = null;
    for (;;) {
      const next = await this.asked(() => walk.next());
      if (next === null) return { events, next_cursor: null };
      const { record, place } = next;
      // Looked at after the page was full: there is at least one more.
      if (events.length === limit || walk.looked > MAX_LOOKED_AT) return { events, next_cursor: textOf(last ?? place) };
      last = place;
      if (type !== undefined && record.type !== type) continue;
      if (publisher !== undefined && record.publisher !== publisher) continue;
      const queue = lookups[place.lane]?.[0] ?? '';
      events.push({ event_id: record.id, status: record.end, queue, ...this.view(record, viewer) });
    }
  }

  private view(record: EventRecord, viewer: Viewer) {
    const { type, publisher, way, acceptedAt, endedAt, userIds, userCount, positions } = record;
    return {
      event_type: type,
      publisher,
      way,
      accepted_at: new Date(acceptedAt).toISOString(),
      ended_at: new Date(endedAt).toISOString(),
      target_count: userIds === null ? null : userCount,
      ...(maySee(record, viewer, this.parts.catalogue())
        ? {
            positions: positions.map(({ userId, epoch, offset, tag }) => ({
              user_id: userId,
              position: formatPosition(epoch, offset, tag),
            })),
          }
        : { withheld: 'permission' as const }),
    };
  }

  private async asked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.parts.report(error, 'operations.events');
      throw new AppError('UNAVAILABLE', 'The event queue does not answer; try again.', { cause: error });
    }
  }
}

/** A publisher knows whom an event of its own is for. */
function maySee({ type, publisher, limits }: EventRecord, viewer: Viewer, catalogue: EventCatalogue): boolean {
  return publisher === viewer.userId || payloadFor(viewer, { type, ...(limits as object) }, catalogue) !== null;
}

function timeOf(name: string, text: string | undefined): string | null {
  if (text === undefined) return null;
  const at = parseTime(text);
  if (at !== null) return String(Math.max(0, at));
  const errors = [{ path: `/${name}`, message: 'is not a time' }];
  throw new AppError('VALIDATION_ERROR', `The request is not valid: /${name} is not a time.`, { details: { errors } });
}

function textOf({ entryId, lane, index }: WalkPlace): string {
  return `${entryId}.${lane}.${index}`;
}

function placeOf(cursor: string | undefined): WalkPlace | null {
  if (cursor === undefined) return null;
  const [entryId = '', lane, index] = cursor.split('.');
  return { entryId, lane: Number(lane), index: Number(index) };
}
