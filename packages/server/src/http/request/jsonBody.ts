import type { IncomingMessage, ServerResponse } from 'node:http';
import { json } from 'express';
import { requireFinite } from '../../connections/inbound/requireFinite.js';
import { MAX_BODY_BYTES } from './info.js';
import { invalid, notJson, RestProblem } from './restProblem.js';

/** Express's parser: for bodies that are compressed, chunked, large, or in another encoding. */
const parse = json({ limit: MAX_BODY_BYTES, strict: false, type: ['application/json', 'application/*+json'] });

/** Up to this size a body is read directly, bytes. A larger one is worth a look at its type and length by the parser. */
const MAX_PLAIN_BYTES = 64 * 1024;
const PLAIN_TYPE = /^application\/json(?:; ?charset=utf-8)?$/i;
const BYTE_ORDER_MARK = 0xfeff;

/**
 * Reads a JSON body, after the request was admitted.
 *
 * @returns undefined when there is no body.
 * @throws RestProblem or an error of the parser: not JSON (400), too large (413), not in JSON's type or encoding (415). AppError
 *   VALIDATION_ERROR for a number too large for JSON.
 */
export async function readJson(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
  const body = isPlain(request) ? parseJson(await readText(request)) : await parsed(request, response);
  requireFinite(body);
  return body;
}

/** Proxies drop the body of a DELETE. Filters in it would be lost, and the whole queue would be cleared. */
export function requireNoBody({ headers }: IncomingMessage): void {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = headers;
  if (length !== '0' || coding !== undefined) {
    throw invalid('This request takes no body.', '', 'must be empty: put filters into the query');
  }
}

/** Nearly every body is: its size is known and small, and it is UTF-8 as it stands. */
function isPlain({ headers }: IncomingMessage): boolean {
  const length = Number(headers['content-length'] ?? 0);
  if (length === 0 || length > MAX_PLAIN_BYTES) return false;
  return headers['content-encoding'] === undefined && PLAIN_TYPE.test(headers['content-type'] ?? '');
}

function readText(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    // Its sender went away before the end, or was too slow: nobody will read the answer, but the request is counted and forgotten.
    const cutOff = (): void => {
      if (!request.readableEnded) reject(notJson());
    };
    if (request.destroyed) cutOff();
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('error', cutOff);
    request.once('close', cutOff);
    request.once('end', () => {
      const [first] = chunks;
      resolve((chunks.length === 1 && first ? first : Buffer.concat(chunks)).toString('utf8'));
    });
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text);
  } catch {
    throw notJson();
  }
}

async function parsed(request: IncomingMessage & { body?: unknown }, response: ServerResponse): Promise<unknown> {
  await new Promise<void>((resolve, reject) => {
    parse(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error)));
  });
  const { body, headers } = request;
  // `curl -d` sends a form unless told otherwise: its body must not silently count as none. Node.js sends `Content-Length: 0` with a
  // POST that has no body.
  const { 'content-length': length = '0', 'transfer-encoding': coding } = headers;
  if (body === undefined && (length !== '0' || coding !== undefined)) {
    throw new RestProblem(415, 'MESSAGE_ERROR', 'The body must be JSON: send Content-Type: application/json.');
  }
  return body;
}
