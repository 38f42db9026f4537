/** An error as plain data, so that it can go through a message port. */
export interface ErrorFacts {
  readonly code: string;
  readonly message: string;
  /** What the server added; never a token. */
  readonly details?: unknown;
}

/** Codes that the client itself gives. All other codes are those of the server, such as `PERMISSION_DENIED`. */
export type ClientErrorCode =
  /** No reply came within `timeoutMs`. It is not known whether the request took effect. */
  | 'REQUEST_TIMEOUT'
  /** The connection ended before the reply. It is not known whether the request took effect. */
  | 'CONNECTION_LOST'
  /** `close()` or `logout()` was called, or the client has failed and waits for `reconnect()`. */
  | 'CLOSED'
  /** `getToken` threw an `UnauthorizedError`. */
  | 'UNAUTHORIZED'
  /** `getToken` threw something else, took too long, or returned no token. */
  | 'TOKEN_UNAVAILABLE'
  /** The server did not subscribe the client to a type: `details` has `event_type` and `error`. */
  | 'SUBSCRIPTION_REFUSED'
  /** The store of the positions threw: `cause` is what it threw. The client goes on without. */
  | 'POSITIONS_FAILED'
  /** A handler threw: `cause` is what it threw. */
  | 'HANDLER_FAILED'
  /** The `fetchState` of a snapshot threw: `cause` is what it threw. It is called again. */
  | 'SNAPSHOT_FAILED';

/** Every error of the client. Decide by `code`; `message` is for people. */
export class UnifiedError extends Error {
  override readonly name: string = 'UnifiedError';
  readonly code: string;
  readonly details: unknown;

  constructor({ code, message, details }: ErrorFacts, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }

  /** The facts as plain data. `cause` is left out: it may be anything. */
  facts(): ErrorFacts {
    return { code: this.code, message: this.message, details: this.details };
  }
}

/** The server refused a request. `code` is an error code of docs/PROTOCOL.md. */
export class RequestError extends UnifiedError {
  override readonly name = 'RequestError';
}

/** A request was not answered: `REQUEST_TIMEOUT` or `CONNECTION_LOST`. It may have taken effect. */
export class NoReplyError extends UnifiedError {
  override readonly name = 'NoReplyError';
}

/** Throw it from `getToken` when the user must log in again: the client stops and does not ask again. */
export class UnauthorizedError extends UnifiedError {
  override readonly name = 'UnauthorizedError';

  constructor(message = 'The user must log in again.') {
    super({ code: 'UNAUTHORIZED', message });
  }
}

/** The error that facts describe, on the other side of a message port. */
export function errorOf(facts: ErrorFacts): UnifiedError {
  const { code } = facts;
  if (code === 'UNAUTHORIZED') return new UnauthorizedError(facts.message);
  if (code === 'REQUEST_TIMEOUT' || code === 'CONNECTION_LOST') return new NoReplyError(facts);
  return OURS.has(code) ? new UnifiedError(facts) : new RequestError(facts);
}

const OURS = new Set([
  'CLOSED',
  'TOKEN_UNAVAILABLE',
  'SUBSCRIPTION_REFUSED',
  'POSITIONS_FAILED',
  'HANDLER_FAILED',
  'SNAPSHOT_FAILED',
]);
