import { STATUS_CODES } from 'node:http';
import { type ErrorCode, errorCodes, type Problem, type RestErrorCode } from '@unified-ws/protocol';
import { AppError, type ErrorDetails } from '../../util/appError.js';

/** Retry-After while Redis is away, seconds. Nodes recover about a second after Redis does. */
const UNAVAILABLE_RETRY_S = 2;

interface ProblemOptions {
  readonly details?: ErrorDetails;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A failed request as it is answered. Contains no text of a library. */
export class RestProblem extends Error {
  override readonly name = 'RestProblem';
  readonly status: number;
  readonly code: ErrorCode | RestErrorCode;
  readonly details: ErrorDetails;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: ErrorCode | RestErrorCode, detail: string, options: ProblemOptions = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.details = options.details ?? {};
    this.headers = options.headers ?? {};
  }

  /** RFC 9457. */
  toJSON(): Problem {
    const { errors, ...details } = this.details;
    return {
      type: 'about:blank',
      title: STATUS_CODES[this.status] ?? 'Error',
      status: this.status,
      detail: this.message,
      code: this.code,
      ...(Object.keys(details).length > 0 ? { details } : {}),
      ...(Array.isArray(errors) ? { errors: errors as NonNullable<Problem['errors']> } : {}),
    };
  }
}

/** The answer to a failure. Null for a fault of the server, whose text must not reach the client. */
export function problemOf(error: unknown): RestProblem | null {
  if (error instanceof RestProblem) return error;
  if (error instanceof AppError) return fromAppError(error);
  return fromParser(error);
}

export function unexpected(): RestProblem {
  return new RestProblem(500, 'UNEXPECTED_ERROR', 'The request could not be processed.');
}

export function invalid(detail: string, path: string, message: string): RestProblem {
  return new RestProblem(400, 'VALIDATION_ERROR', detail, { details: { errors: [{ path, message }] } });
}

export function notJson(): RestProblem {
  return new RestProblem(400, 'MESSAGE_ERROR', 'The body is not valid JSON.');
}

function fromAppError({ code, message, details = {} }: AppError): RestProblem {
  const status = errorCodes[code].http;
  return new RestProblem(status, code, message, { details, headers: headersOf(code, status, details) });
}

function headersOf(code: ErrorCode, status: number, details: ErrorDetails): Record<string, string> {
  if (status === 401) return { 'WWW-Authenticate': challenge(details.reason === 'missing' ? null : 'invalid_token') };
  if (code === 'PERMISSION_DENIED') return { 'WWW-Authenticate': challenge('insufficient_scope') };
  if (code === 'RATE_LIMITED') {
    const ms = Number(details.retry_after_ms ?? 1000);
    return { 'Retry-After': String(Math.max(1, Math.ceil(ms / 1000))) };
  }
  return status === 503 ? { 'Retry-After': String(UNAVAILABLE_RETRY_S) } : {};
}

/** RFC 6750 §3: a request without a token gets a challenge without an error. */
function challenge(error: 'invalid_token' | 'insufficient_scope' | null): string {
  return error === null ? 'Bearer realm="unified-ws"' : `Bearer realm="unified-ws", error="${error}"`;
}

/** Faults of Express's body parser and router. They carry a status, and their texts quote the input. */
function fromParser(error: unknown): RestProblem | null {
  if (!(error instanceof Error) || !('status' in error)) return null;
  switch (error.status) {
    case 413:
      return new RestProblem(413, 'MESSAGE_TOO_LARGE', 'The body is too large.');
    case 415:
      return new RestProblem(
        415,
        'MESSAGE_ERROR',
        'The body must be JSON in UTF-8, with Content-Type: application/json.',
      );
    case 400:
      return error instanceof URIError
        ? invalid('The path is not valid.', '', 'the path is not valid percent-encoded UTF-8')
        : notJson();
    default:
      return null;
  }
}
