import { NoReplyError, RequestError, UnauthorizedError, UnifiedError } from './errors.js';

/** An error as plain data, so that it can go through a message port. `cause` is left out: it may be anything. */
export interface ErrorFacts {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly details: unknown;
}

export function factsOf({ name, code, message, details }: UnifiedError): ErrorFacts {
  return { name, code, message, details };
}

/** The error that facts describe, on the other side of a port. */
export function errorOf({ name, code, message, details }: ErrorFacts): UnifiedError {
  if (name === 'UnauthorizedError') return new UnauthorizedError(message);
  const Kind = name === 'RequestError' ? RequestError : name === 'NoReplyError' ? NoReplyError : UnifiedError;
  return new Kind(code, message, { details });
}
