import { formatPosition, type Scope } from '@unified-ws/protocol';
import type { LogEntry } from '../events/log.js';
import { withoutFields } from './clearance.js';
import { textFrame } from './frame.js';

/**
 * The frame of an event as one clearance sees it: never whom it was limited to.
 *
 * @param hidden as `hiddenFields` gives it.
 * @param epoch of the log that the entry is of.
 */
export function eventFrame(entry: LogEntry, hidden: string, epoch: string, scope: Scope): Buffer {
  const { event } = entry;
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
      position: formatPosition(epoch, entry.offset, entry.tag),
    }),
  );
}
