import { ASYNCAPI_PATH, OPENAPI_PATH } from '../rest.js';
import type { RestOperation } from '../restOperation.js';

/** The headers and the empty answer of a document that a client may already have. */
const document = { headers: { ETag: 'of this text' }, schema: { type: 'object' } } as const;
const unchanged = { meaning: 'the text has not changed since `If-None-Match`', type: null } as const;
const ifNoneMatch = {
  'If-None-Match': { type: 'string', description: 'ETag of the text that the client has' },
} as const;

/** Descriptions of the interfaces, for generators of clients. */
export const specOperations = {
  getOpenApi: {
    method: 'get',
    path: OPENAPI_PATH,
    tag: 'specs',
    summary: 'Describes these operations, as OpenAPI 3.1',
    permissions: null,
    headers: ifNoneMatch,
    answers: { 200: { meaning: 'OpenAPI 3.1', ...document }, 304: unchanged },
  },
  getAsyncApi: {
    method: 'get',
    path: ASYNCAPI_PATH,
    tag: 'specs',
    summary: 'Describes the messages of the WebSocket, as AsyncAPI 3.0',
    permissions: null,
    headers: ifNoneMatch,
    answers: { 200: { meaning: 'AsyncAPI 3.0', ...document }, 304: unchanged },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
