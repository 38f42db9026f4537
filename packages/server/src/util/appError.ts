import type { ErrorCode } from '@unified-ws/protocol';

/** What a client may be told besides the code: machine-readable, never a stack, a key name, a token or a library's text. */
export type ErrorDetails = Record<string, unknown>;

/** Whose token it was that is refused, for the log alone. */
export interface Bearer {
  /** Its signature is good: it says this of itself otherwise, as anybody can. */
  readonly proven: boolean;
  readonly userId: string | null;
  readonly sid: string | null;
  readonly jti: string | null;
  readonly tokenId: string;
}

/**
 * The only error class whose text reaches a client: `message` and `details` go onto the wire as they are. `cause` stays
 * in the log.
 */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly details?: ErrorDetails;
  /** Whether the connection can be used on, where that differs from what the code says by itself. */
  readonly recoverable?: boolean;
  /** Of a refused token; a function, as reading it costs what most of its callers need not pay. */
  bearer?: () => Bearer;

  constructor(
    code: ErrorCode,
    message: string,
    options: { details?: ErrorDetails; cause?: unknown; recoverable?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options.details) this.details = options.details;
    if (options.recoverable !== undefined) this.recoverable = options.recoverable;
  }
}
