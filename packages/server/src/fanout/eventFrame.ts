import { formatPosition, type Scope } from '@unified-ws/protocol';
import type { LogEntry } from '../events/log.js';
import { withoutFields } from './clearance.js';
import { textFrame } from './frame.js';

/**
 * The frame of an event as a client sees it: never whom it was limited to.
 *
 * @param hidden as `hiddenFields` gives it.
 * @param epoch of the log, or of the mailbox, that the entry lies in.
 */
export function eventFrame(entry: LogEntry, hidden: string, epoch: string, scope: Scope): Buffer {
  return textFrame(JSON.stringify(wireEvent(entry, hidden, epoch, scope)));
}

function wireEvent(entry: LogEntry, hidden: string, epoch: string, scope: Scope): Record<string, unknown> {
  const { event } = entry;
  return {
    type: event.type,
    data: withoutFields(event.data, hidden),
    timestamp: event.timestamp,
    id: event.id,
    priority: event.priority,
    category: event.category,
    severity: event.severity,
    ...(event.metadata === undefined ? {} : { metadata: withoutFields(event.metadata, hidden) }),
    scope,
    position: formatPosition(epoch, entry.offset, entry.tag),
  };
}
