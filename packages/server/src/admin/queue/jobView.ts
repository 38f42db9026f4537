import type { QueueJob } from '@unified-ws/protocol';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import type { StoredEvent } from '../../events/event/storedEvent.js';
import type { StoredJob } from '../../events/queue/queueEngine.js';
import { payloadFor, type Viewer } from '../events/payloadFor.js';

type EventView = QueueJob['events'][number];

/** A job as shown to an admin: its events without what the viewer may not see. */
export function jobView(job: StoredJob, queue: string, viewer: Viewer, catalogue: EventCatalogue): QueueJob {
  const { data } = job;
  const stored: readonly unknown[] = Array.isArray(data?.events) ? data.events : [];
  const events = stored.map((event) => eventView(event, job.type, viewer, catalogue));
  // The id may be that of the user whom the events are for.
  const hidesKey = events.some(({ withheld }) => withheld === 'permission');
  return {
    id: `${queue}.${job.id}`,
    queue,
    state: job.state,
    event_type: job.type,
    event_count: job.eventCount,
    publisher: text(data?.publisher),
    ordering_key: hidesKey ? null : text(data?.ordering_key),
    added_at: time(job.addedAt),
    due_at: time(job.dueAt),
    started_at: job.startedAt === null ? null : time(job.startedAt),
    finished_at: job.finishedAt === null ? null : time(job.finishedAt),
    node_id: job.nodeId,
    failed_reason: job.failedReason,
    bytes: job.bytes,
    events,
    ...(data === null ? { withheld: 'too_large' as const } : {}),
  };
}

/** Jobs may come from other writers than `publish`: every field is checked. */
function eventView(value: unknown, jobType: string, viewer: Viewer, catalogue: EventCatalogue): EventView {
  const event = (typeof value === 'object' && value !== null ? value : {}) as Partial<StoredEvent>;
  const type = text(event.type) ?? jobType;
  const shown = {
    id: text(event.id) ?? '',
    type,
    ...optional('priority', text(event.priority)),
    ...optional('severity', text(event.severity)),
    ...optional('timestamp', text(event.timestamp)),
  };
  const payload = payloadFor(viewer, { ...event, type }, catalogue);
  if (payload === null) return { ...shown, withheld: 'permission' };
  return {
    ...shown,
    ...optional('data', object(payload.data)),
    ...optional('metadata', object(payload.metadata)),
  };
}

function optional<K extends string, V>(key: K, value: V | null): { readonly [P in K]?: V } {
  return (value === null ? {} : { [key]: value }) as { readonly [P in K]?: V };
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function object(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null;
}

function time(ms: number): string {
  // A Date outside this range has no text.
  const sane = Math.min(8.64e15, Math.max(-8.64e15, Number.isFinite(ms) ? ms : 0));
  return new Date(sane).toISOString();
}
