import type { FromSchema, JSONSchema } from '@unified-ws/protocol';
import type { ErrorObject } from 'ajv';
import { isUserId } from '../../events/event/storedEvent.js';
import { compileSchema } from '../../util/compileSchema.js';
import { invalid, RestProblem } from './restProblem.js';

const MAX_USER_ID_BYTES = 128;

/**
 * Makes a reader of an optional body. A missing body counts as `{}`.
 *
 * @returns a function that throws a RestProblem VALIDATION_ERROR if the body does not match.
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

/** @throws RestProblem unless the parameter has 1 to 128 bytes. (A URL cannot carry a lone surrogate.) */
export function readUserId(parameter: unknown): string {
  const userId = typeof parameter === 'string' ? parameter : '';
  const bytes = Buffer.byteLength(userId);
  if (bytes >= 1 && bytes <= MAX_USER_ID_BYTES) return userId;
  throw invalid('The user id is not valid.', '/user_id', `must have 1 to ${MAX_USER_ID_BYTES} bytes`);
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws RestProblem unless the text is base64url, without padding, of UTF-8. Otherwise an order could reach another user. */
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
 * Checks a list of user ids. The schema limits characters, but Redis keys limit bytes.
 *
 * @param path of the list in the body.
 * @throws RestProblem for the first entry that is not a user id.
 */
export function readUserIds(ids: readonly string[], path: string): void {
  const at = ids.findIndex((id) => !isUserId(id));
  if (at < 0) return;
  throw invalid('The body is not valid.', `${path}/${at}`, `must have 1 to ${MAX_USER_ID_BYTES} bytes of UTF-8`);
}

/** @throws RestProblem for a missing body, and for one that is not an object. */
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
