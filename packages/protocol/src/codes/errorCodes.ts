/** Every error code, in the form of a list, for schemas. */
export const ERROR_CODES = [
  'AUTH_ERROR',
  'TOKEN_EXPIRED',
  'TOKEN_REVOKED',
  'PERMISSION_DENIED',
  'CONNECTION_LIMIT',
  'RATE_LIMITED',
  'MESSAGE_ERROR',
  'MESSAGE_TOO_LARGE',
  'VALIDATION_ERROR',
  'UNKNOWN_MESSAGE_TYPE',
  'MESSAGE_HANDLER_ERROR',
  'UNAVAILABLE',
  'TIMEOUT',
  'UNEXPECTED_ERROR',
  'CONFLICT',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

export interface ErrorCodeDefinition {
  readonly meaning: string;
  /** Default of `recoverable` in the `error` message: true: the connection stays usable. */
  readonly recoverable: boolean;
  /** The HTTP status of the code in a REST problem. */
  readonly http: number;
}

/** Every code of an `error` message or a REST problem. */
export const errorCodes: Readonly<Record<ErrorCode, ErrorCodeDefinition>> = {
  AUTH_ERROR: {
    meaning: 'The token is missing or malformed, its signature is wrong, or it is for another service.',
    recoverable: false,
    http: 401,
  },
  TOKEN_EXPIRED: { meaning: 'The token has expired; get a new one.', recoverable: false, http: 401 },
  TOKEN_REVOKED: {
    meaning: 'The token, its session or its user was revoked, or the user is banned.',
    recoverable: false,
    http: 401,
  },
  PERMISSION_DENIED: { meaning: 'The permission for this request is missing.', recoverable: true, http: 403 },
  CONNECTION_LIMIT: { meaning: 'The node accepts no further connection now.', recoverable: false, http: 503 },
  RATE_LIMITED: { meaning: 'Too many requests; repeat after the given time.', recoverable: true, http: 429 },
  MESSAGE_ERROR: { meaning: 'The message is not a JSON object with a `type`.', recoverable: true, http: 400 },
  MESSAGE_TOO_LARGE: { meaning: 'The message is larger than MAX_PAYLOAD.', recoverable: false, http: 413 },
  VALIDATION_ERROR: { meaning: 'The data does not match the schema of the request.', recoverable: true, http: 400 },
  UNKNOWN_MESSAGE_TYPE: { meaning: 'This message type does not exist.', recoverable: true, http: 400 },
  MESSAGE_HANDLER_ERROR: { meaning: 'The request is valid, but processing it failed.', recoverable: true, http: 500 },
  UNAVAILABLE: { meaning: 'Redis or another dependency is not available; repeat later.', recoverable: true, http: 503 },
  TIMEOUT: {
    meaning: 'There was no answer in time; the request may have taken effect.',
    recoverable: true,
    http: 504,
  },
  UNEXPECTED_ERROR: { meaning: 'The server failed.', recoverable: true, http: 500 },
  CONFLICT: { meaning: 'The present state does not allow this request.', recoverable: true, http: 409 },
};
