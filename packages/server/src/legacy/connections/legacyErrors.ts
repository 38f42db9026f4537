import { errorCodes } from '@unified-ws/protocol';
import type { AppError } from '../../util/appError.js';
import type { LegacyConnection } from './legacyConnection.js';

export interface LegacyErrorsParts {
  /** Counts it. */
  readonly onError: (connection: LegacyConnection, error: AppError) => void;
}

/** Tells old clients of failures, in their shape, and closes. */
export class LegacyErrors {
  private readonly parts: LegacyErrorsParts;

  constructor(parts: LegacyErrorsParts) {
    this.parts = parts;
  }

  tell(connection: LegacyConnection, error: AppError): void {
    connection.errors += 1;
    this.parts.onError(connection, error);
    const { details = {} } = error;
    // Of the details those alone that help an old client, or whoever reads its log.
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
