import { formatPosition, type Scope } from '@unified-ws/protocol';
import type { StoredEvent } from '../../events/event/storedEvent.js';
import type { LogEntry } from '../../events/log/broadcastLog.js';
import { withoutFields } from '../selection/clearances.js';
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
 * How clients that speak another protocol are sent events. They know no positions, and none of the messages about them. The shape is
 * part of a cohort's key, so a frame is built once for all members. A connection without a shape is served as docs/PROTOCOL.md says.
 */
export interface FrameShape {
  /** Tells cohorts, cached frames and records of the security log apart. */
  readonly name: string;
  eventFrame(event: StoredEvent, hidden: string): Buffer;
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
