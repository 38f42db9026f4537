import { dataFaults, isObject } from './testMessages.js';

type Data = Readonly<Record<string, unknown>>;

/** An error that the client is told, as `error` or `validation_error`. */
export class WireError extends Error {
  readonly code: string;
  /** Further fields of the message's data. */
  readonly more: Data;

  constructor(code: string, message: string, more: Data = {}) {
    super(message);
    this.code = code;
    this.more = more;
  }
}

const AUTH_TEXTS = {
  missing: 'The first message must be authenticate.',
  malformed: 'The access token is not a well-formed JSON Web Token.',
  expired: 'The access token has expired.',
  wrong_user: "The access token is another user's: open a connection of its own for it.",
} as const;

export function authError(reason: keyof typeof AUTH_TEXTS, more: Data = {}): WireError {
  const code = reason === 'expired' ? 'TOKEN_EXPIRED' : 'AUTH_ERROR';
  return new WireError(code, AUTH_TEXTS[reason], { details: { reason }, ...more });
}

export function invalid(type: string, errors: readonly object[]): WireError {
  return new WireError('VALIDATION_ERROR', `The data of ${type} is not valid.`, { errors });
}

/** @throws WireError VALIDATION_ERROR with the place of each fault. */
export function requireGood(type: string, data: Data): void {
  const faults = dataFaults(type, data);
  if (faults.length > 0) throw invalid(type, faults);
}

/** @throws WireError MESSAGE_ERROR for what is no JSON object. */
export function parsedMessage(text: string): Data {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new WireError('MESSAGE_ERROR', 'The message is not valid JSON.');
  }
  if (!isObject(value)) throw new WireError('MESSAGE_ERROR', 'The message must be a JSON object.');
  return value;
}
