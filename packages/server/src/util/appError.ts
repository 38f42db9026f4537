import type { ErrorCode } from '@unified-ws/protocol';

/** What a client gets besides the code. Machine-readable; never a stack, a key name, a token or a library's text. */
export type ErrorDetails = Record<string, unknown>;

/** The owner of a refused token, for the log only. */
export interface Bearer {
  /** True: its signature is valid. False: anybody could have written these claims. */
  readonly proven: boolean;
  readonly userId: string | null;
  readonly sid: string | null;
  readonly jti: string | null;
  readonly tokenId: string;
}

/**
 * The only error class whose text reaches a client: `message` and `details` are sent as they are. `cause` is only logged.
 */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly details?: ErrorDetails;
  /** Whether the connection stays usable, if that differs from the default of the code. */
  readonly recoverable?: boolean;
  /** Owner of the refused token. A function, because most callers do not need it and decoding has a cost. */
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
