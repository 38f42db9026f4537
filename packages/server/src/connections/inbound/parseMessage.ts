import { AppError } from '../../util/appError.js';

/**
 * Parses a message of a client as a JSON object.
 *
 * @throws AppError MESSAGE_ERROR for anything else.
 */
export function parseMessage(text: Buffer): object {
  let value: unknown;
  try {
    value = JSON.parse(text.toString('utf8'));
  } catch {
    // The parser's text quotes the input, so it is dropped.
    throw new AppError('MESSAGE_ERROR', 'The message is not valid JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AppError('MESSAGE_ERROR', 'The message must be a JSON object.');
  }
  return value;
}
