import type { Actor } from '../admin/audit/audit.js';
import type { Viewer } from '../admin/events/payloadFor.js';
import type { Author } from '../admin/events/publications.js';
import type { Connection } from '../connections/lifecycle/connection.js';

const NOTHING: ReadonlySet<string> = new Set();

/** The user of a connection as the actor of an admin operation. */
export function actorOf(connection: Connection): Actor {
  return { ...viewerOf(connection), ip: connection.ip, via: 'websocket' };
}

/** The user of a connection as a viewer of events. */
export function viewerOf({ userId, clearance }: Connection): Viewer {
  return { userId, roles: clearance?.roles ?? NOTHING, permissions: clearance?.permissions ?? NOTHING };
}

/** The user of a connection as a publisher. */
export function authorOf(connection: Connection): Author {
  return { actor: actorOf(connection), username: connection.identity?.username ?? connection.userId };
}
