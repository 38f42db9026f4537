import type { FromSchema, JSONSchema } from '@unified-ws/protocol';
import type { ErrorObject } from 'ajv';
import { isUserId } from '../../events/event/storedEvent.js';
import { compileSchema } from '../../util/compileSchema.js';
import { invalid, RestProblem } from './restProblem.js';

const MAX_USER_ID_BYTES = 128;

/**
 * Makes a reader of a body that may be left out (`{}` then).
 *
 * @returns a function that throws a RestProblem VALIDATION_ERROR for what does not match.
 */
export function bodyReader<const S extends JSONSchema>(schema: S): (body: unknown) => FromSchema<S> {
  const validate = compileSchema<FromSchema<S>>(schema);
  return (body = {}) => {
    if (validate(body)) return body;
    const [error] = validate.errors ?? [];
    const { path, message } = faultOf(error);
    throw invalid('The body is not valid.', path, message);
  };
}

/** @throws RestProblem when it cannot be a user id: they have 1 to 128 bytes. (A lone surrogate does not pass the URL.) */
export function readUserId(parameter: unknown): string {
  const userId = typeof parameter === 'string' ? parameter : '';
  const bytes = Buffer.byteLength(userId);
  if (bytes >= 1 && bytes <= MAX_USER_ID_BYTES) return userId;
  throw invalid('The user id is not valid.', '/user_id', `must have 1 to ${MAX_USER_ID_BYTES} bytes`);
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws RestProblem for what is not base64url, without padding, of UTF-8: an order must not reach another user than was meant. */
export function userIdOfBase64url(text: string): string {
  const bytes = Buffer.from(text, 'base64url');
  try {
    if (bytes.toString('base64url') === text) return UTF8.decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  throw invalid('The user id is not valid.', '/user_id', 'must be base64url of UTF-8, without padding');
}

/**
 * The schema bounds characters; these are bytes, as user ids have them in the keys.
 *
 * @param path of the list in the body.
 * @throws RestProblem for the first that cannot be a user id.
 */
export function readUserIds(ids: readonly string[], path: string): void {
  const at = ids.findIndex((id) => !isUserId(id));
  if (at < 0) return;
  throw invalid('The body is not valid.', `${path}/${at}`, `must have 1 to ${MAX_USER_ID_BYTES} bytes of UTF-8`);
}

/** @throws RestProblem for a body that is there and no object. */
export function requireObject(body: unknown): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw body === undefined
    ? new RestProblem(400, 'VALIDATION_ERROR', 'A JSON body is required.', {
        details: { errors: [{ path: '', message: 'is missing' }] },
      })
    : invalid('The body is not valid.', '', 'must be object');
}

export function faultOf(error: ErrorObject | undefined): { readonly path: string; readonly message: string } {
  const unknown: unknown = error?.params.additionalProperty;
  const path = error?.instancePath ?? '';
  if (typeof unknown === 'string')
    return { path: `${path}/${unknown.slice(0, 64)}`, message: 'is not a known property' };
  return { path, message: error?.message ?? 'is not valid' };
}
