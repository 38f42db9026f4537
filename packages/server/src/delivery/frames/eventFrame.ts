import { formatPosition, type Scope } from '@unified-ws/protocol';
import type { StoredEvent } from '../../events/event/storedEvent.js';
import type { LogEntry } from '../../events/log/broadcastLog.js';
import { withoutFields } from '../selection/clearance.js';
import { textFrame } from './frame.js';

/** An entry, of the log or of a mailbox, as far as it is delivered. */
export type DeliveredEntry = Pick<LogEntry, 'offset' | 'tag' | 'event'>;

/**
 * The frame of an event as one clearance sees it: never whom it was limited to.
 *
 * @param hidden as `hiddenFields` gives it.
 * @param epoch of the log that the entry is of.
 */
export function eventFrame(entry: DeliveredEntry, hidden: string, epoch: string, scope: Scope): Buffer {
  return frame(entry.event, hidden, scope, formatPosition(epoch, entry.offset, entry.tag));
}

/**
 * How a connection is told an event: as docs/PROTOCOL.md says, or as clients of the legacy endpoints know it. One of the things that tell
 * cohorts apart, so that both are built once for all whom they concern.
 */
export type FrameShape = 'unified' | 'legacy';

/** The frame of an event as clients of the legacy endpoints know it: no id, priority, metadata or position. */
export function legacyEventFrame(event: StoredEvent, hidden: string): Buffer {
  return textFrame(
    JSON.stringify({ type: event.type, data: withoutFields(event.data, hidden), timestamp: event.timestamp }),
  );
}

/** The frame of an ephemeral event, which has no place in a log. */
export function ephemeralFrame(event: StoredEvent, hidden: string, scope: Scope): Buffer {
  return frame(event, hidden, scope, null);
}

function frame(event: StoredEvent, hidden: string, scope: Scope, position: string | null): Buffer {
  return textFrame(
    JSON.stringify({
      type: event.type,
      data: withoutFields(event.data, hidden),
      timestamp: event.timestamp,
      id: event.id,
      priority: event.priority,
      category: event.category,
      severity: event.severity,
      ...(event.metadata === undefined ? {} : { metadata: withoutFields(event.metadata, hidden) }),
      scope,
      position,
    }),
  );
}
