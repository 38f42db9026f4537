import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Actor } from '../../admin/audit/audit.js';
import type { Viewer } from '../../admin/events/payloadFor.js';
import type { Author } from '../../admin/events/publications.js';
import type { Identity } from '../../auth/tokenVerifier.js';

/** The sender of a request, after the token was verified. */
export interface Caller {
  readonly identity: Identity;
  readonly permissions: ReadonlySet<string>;
}

/** What the handlers of one request pass on to each other. */
interface Locals {
  /** Pattern of the route that matched. */
  route?: string;
  caller?: Caller;
  /** Client address, in the form that limits count. */
  address?: string;
}

const LOCALS = Symbol('locals');

export function localsOf(response: ServerResponse & { [LOCALS]?: Locals }): Locals {
  response[LOCALS] ??= {};
  return response[LOCALS];
}

/** The caller of a route behind the gate. */
export function callerOf(response: ServerResponse): Caller {
  const { caller } = localsOf(response);
  if (!caller) throw new Error('a route that needs a caller is not behind the gate');
  return caller;
}

/** A request and its response. */
export interface Answered {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** The caller as a viewer of events. */
export function viewerOf({ response }: Pick<Answered, 'response'>): Viewer {
  const { identity, permissions } = callerOf(response);
  return { userId: identity.userId, roles: new Set(identity.roles), permissions };
}

/** The caller as recorded in the audit log. */
export function actorOf({ response }: Pick<Answered, 'response'>): Actor {
  const { identity, permissions } = callerOf(response);
  const ip = localsOf(response).address ?? '';
  return { userId: identity.userId, ip, via: 'rest', roles: new Set(identity.roles), permissions };
}

/** The caller as a publisher. */
export function authorOf(call: Pick<Answered, 'response'>): Author {
  return { actor: actorOf(call), username: callerOf(call.response).identity.username };
}
