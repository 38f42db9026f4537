import { errorCodes } from '@unified-ws/protocol';
import type { AppError } from '../../util/appError.js';
import type { LegacyConnection } from './legacyConnection.js';

/** Sends errors to old clients in their format, and closes. */
export class LegacyErrors {
  private readonly onError: (connection: LegacyConnection, error: AppError) => void;

  /** @param onError counts the error. */
  constructor(onError: (connection: LegacyConnection, error: AppError) => void) {
    this.onError = onError;
  }

  tell(connection: LegacyConnection, error: AppError): void {
    connection.errorSent();
    this.onError(connection, error);
    const { details = {} } = error;
    // Only the details that help an old client or the reader of its log.
    const { supported_types, retry_after_ms, replacement, documentation } = details;
    connection.tell('error', {
      message: error.message,
      error_code: error.code,
      timestamp: connection.time(),
      recoverable: error.recoverable ?? errorCodes[error.code].recoverable,
      supported_types,
      retry_after_ms,
      replacement,
      documentation,
    });
  }

  /** @param code of this protocol, or of RFC 6455. */
  refuse(connection: LegacyConnection, error: AppError, code: number, reason: string): void {
    this.tell(connection, error);
    connection.endWith(code, reason);
  }
}
