import { hiddenFields, maySee, withoutFields } from '../../delivery/selection/clearances.js';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import type { StoredEvent } from '../../events/event/storedEvent.js';

/** The viewer of stored events: what a viewer may not receive on a socket, the viewer may not read in storage either (G8). */
export interface Viewer {
  readonly userId: string;
  readonly roles: ReadonlySet<string>;
  readonly permissions: ReadonlySet<string>;
}

/** The part of an event that its viewer may read. */
export interface Payload {
  readonly data: unknown;
  readonly metadata: unknown;
}

/** When an event's type is in no catalogue, or its limits cannot be read, only a viewer who may see everything sees the event. */
const EVERYTHING = ['events:receive', 'events:admin', 'events:sensitive'];

/**
 * The payload of a stored event for its viewer, in the mailbox and in the queue alike. Null: the viewer may not see it.
 * The decision is the same as for sockets (`maySee`).
 *
 * @param event as stored in Redis: it may come from another writer than `publish`.
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
