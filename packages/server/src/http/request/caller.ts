import type { Request, Response } from 'express';
import type { Actor } from '../../admin/audit/audit.js';
import type { Viewer } from '../../admin/events/payloadFor.js';
import type { Author } from '../../admin/events/publications.js';
import type { Identity } from '../../auth/tokenVerifier.js';

/** Who calls, once the token was found good. */
export interface Caller {
  readonly identity: Identity;
  readonly permissions: ReadonlySet<string>;
}

/** What the handlers of one request leave for each other. */
interface Locals {
  /** Pattern of the route that matched. */
  route?: string;
  caller?: Caller;
  /** Where the request comes from, as limits count it. */
  address?: string;
}

export function localsOf(response: Response): Locals {
  return response.locals;
}

/** The caller of a route behind `authorise`. */
export function callerOf(response: Response): Caller {
  const { caller } = localsOf(response);
  if (!caller) throw new Error('a route that needs a caller is not behind authorise');
  return caller;
}

/** A request and what it is answered with. */
export interface Answered {
  readonly request: Request;
  readonly response: Response;
}

/** The caller as one who looks at events. */
export function viewerOf({ response }: Pick<Answered, 'response'>): Viewer {
  const { identity, permissions } = callerOf(response);
  return { userId: identity.userId, roles: new Set(identity.roles), permissions };
}

/** The caller as he stands in the audit record. */
export function actorOf({ response }: Pick<Answered, 'response'>): Actor {
  const { identity, permissions } = callerOf(response);
  const ip = localsOf(response).address ?? '';
  return { userId: identity.userId, ip, via: 'rest', roles: new Set(identity.roles), permissions };
}

/** The caller as one who publishes. */
export function authorOf(call: Pick<Answered, 'response'>): Author {
  return { actor: actorOf(call), username: callerOf(call.response).identity.username };
}
