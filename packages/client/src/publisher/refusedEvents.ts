import type { BufferedEvent } from './bufferedEvent.js';
import type { EventFault } from './publishError.js';
import type { Problem } from './publishRequest.js';

/** The events of a batch that the server's refusal names, with what is wrong with each. Empty: the refusal names none. */
export function refusedEvents(
  { errors, eventType }: Problem,
  batch: readonly BufferedEvent[],
): ReadonlyMap<BufferedEvent, readonly EventFault[]> {
  const named = new Map<BufferedEvent, EventFault[]>();
  for (const { path, message } of errors) {
    // /<index><path inside the event>
    const [, index, rest = ''] = /^\/(\d+)(.*)$/.exec(path) ?? [];
    const event = index === undefined ? undefined : batch[Number(index)];
    if (event) named.set(event, [...(named.get(event) ?? []), { path: rest, message }]);
  }
  // A permission is missing for a type, and so for each event of this type.
  for (const event of batch) if (event.eventType === eventType) named.set(event, []);
  return named;
}
