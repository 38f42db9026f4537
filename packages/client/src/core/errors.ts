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
  /** `getToken` threw something else (`cause`), took too long, or returned no token. */
  | 'TOKEN_UNAVAILABLE'
  /** The server did not change the subscription of some types: `details` is its list of `event_type` and `error`. */
  | 'SUBSCRIPTION_REFUSED'
  /** A handler threw: `cause` is what it threw. */
  | 'HANDLER_FAILED'
  /** The `fetchState` of a snapshot threw: `cause` is what it threw. It is called again. */
  | 'SNAPSHOT_FAILED'
  /** The store of the positions threw: `cause` is what it threw. The client goes on without. */
  | 'POSITIONS_FAILED';

/** Every error of the client. Decide by `code`; `message` is for people. None holds a token. */
export class UnifiedError extends Error {
  override readonly name: string = 'UnifiedError';
  readonly code: string;
  /** What the server added. */
  readonly details: unknown;

  constructor(code: string, message: string, { details, cause }: { details?: unknown; cause?: unknown } = {}) {
    super(message, { cause });
    this.code = code;
    this.details = details;
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
    super('UNAUTHORIZED', message);
  }
}
