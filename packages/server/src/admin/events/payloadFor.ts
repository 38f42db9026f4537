import { hiddenFields, maySee, withoutFields } from '../../delivery/selection/clearances.js';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import type { StoredEvent } from '../../events/event/storedEvent.js';

/** Who looks at what is stored: what he may not receive, he may not read there either (G8). */
export interface Viewer {
  readonly userId: string;
  readonly roles: ReadonlySet<string>;
  readonly permissions: ReadonlySet<string>;
}

/** What of an event its viewer may read. */
export interface Payload {
  readonly data: unknown;
  readonly metadata: unknown;
}

/** Of an event whose type is in no catalogue, or whose limits cannot be read, nobody can tell who may see it: only who may see everything. */
const EVERYTHING = ['events:receive', 'events:admin', 'events:sensitive'];

/**
 * The payload of an event for who looks at it where it is stored, whichever door he comes by: the mailbox, the queue. Null: he may not
 * see it. The decision is that of the sockets (`maySee`).
 *
 * @param event as it lies in Redis: it may have come another way than through `publish`.
 */
export function payloadFor(viewer: Viewer, event: Partial<StoredEvent>, catalogue: EventCatalogue): Payload | null {
  const { userId, roles, permissions } = viewer;
  const definition = catalogue.get(event.type ?? '');
  if (!definition || !hasSoundLimits(event)) {
    const all = EVERYTHING.every((permission) => permissions.has(permission));
    return all ? { data: event.data, metadata: event.metadata } : null;
  }
  if (!maySee({ userId, clearance: { roles, permissions } }, event, definition)) return null;
  const hidden = hiddenFields({ permissions }, definition);
  return { data: withoutFields(event.data, hidden), metadata: withoutFields(event.metadata, hidden) };
}

function hasSoundLimits({ permission, roles, exclude }: Partial<StoredEvent>): boolean {
  const areLists = [roles, exclude].every((list) => list === undefined || Array.isArray(list));
  return areLists && (permission === undefined || typeof permission === 'string');
}
