import type { Connection } from '../edge/connection.js';
import type { Actor } from '../operations/audit.js';
import type { Viewer } from '../operations/eventView.js';
import type { Author } from '../operations/publications.js';

const NOTHING: ReadonlySet<string> = new Set();

/** The user of a connection as one who orders. */
export function actorOf(connection: Connection): Actor {
  return { ...viewerOf(connection), ip: connection.ip, via: 'websocket' };
}

/** As one who looks at events. */
export function viewerOf({ userId, clearance }: Connection): Viewer {
  return { userId, roles: clearance?.roles ?? NOTHING, permissions: clearance?.permissions ?? NOTHING };
}

/** As one who publishes. */
export function authorOf(connection: Connection): Author {
  return { actor: actorOf(connection), username: connection.identity?.username ?? connection.userId };
}
