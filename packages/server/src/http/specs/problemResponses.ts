import { STATUS_CODES } from 'node:http';
import { ERROR_CODES, errorCodes, type JSONSchema, problemSchema } from '@unified-ws/protocol';
import type { Json } from './components.js';

/** Codes that only REST has, or that have another status than in their table. */
const MORE_CODES: Readonly<Record<number, readonly string[]>> = {
  404: ['NOT_FOUND'],
  405: ['METHOD_NOT_ALLOWED'],
  415: ['MESSAGE_ERROR'],
  422: ['VALIDATION_ERROR'],
  426: ['METHOD_NOT_ALLOWED'],
};

const RETRY_AFTER = { 'Retry-After': { type: 'integer', minimum: 1, description: 'seconds' } } as const;
const CHALLENGE = { 'WWW-Authenticate': { type: 'string', description: 'RFC 6750' } } as const;

/** Headers of every answer with the status. */
const HEADERS: Readonly<Record<number, Readonly<Record<string, JSONSchema>>>> = {
  401: CHALLENGE,
  405: { Allow: { type: 'string', description: 'methods of the path' } },
  426: { Upgrade: { const: 'websocket' } },
  429: RETRY_AFTER,
  503: RETRY_AFTER,
};

const MEANINGS: Readonly<Record<number, string>> = {
  400: 'The request is not valid; `errors` says where.',
  401: 'The token is missing or not valid.',
  403: 'The permission is missing.',
  404: 'The resource does not exist.',
  405: 'The path does not have this method.',
  409: 'The state of the resource forbids this.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  422: 'The request would put something invalid in force.',
  426: 'This path takes WebSocket upgrades only.',
  429: 'Too many requests: repeat after the given time.',
  500: 'The server failed.',
  503: 'Something that the request needs is not available, or there is no room: repeat later.',
  504: 'There was no answer in time: the request may have taken effect.',
};

/** The name of the component that describes the problems of a status. */
export function problemName(status: number): string {
  return (STATUS_CODES[status] ?? `Status${status}`).replace(/[^A-Za-z]/g, '');
}

/** The problems of one status. Their codes follow from the table of codes. */
export function problemResponse(status: number): Json {
  const ofTable = ERROR_CODES.filter((code) => errorCodes[code].http === status);
  const codes = [...ofTable, ...(MORE_CODES[status] ?? [])];
  const headers = Object.entries(HEADERS[status] ?? {}).map(([name, schema]) => [name, { required: true, schema }]);
  const { properties } = problemSchema;
  const schema = { ...problemSchema, properties: { ...properties, status: { const: status }, code: { enum: codes } } };
  return {
    description: MEANINGS[status] ?? '',
    ...(headers.length > 0 ? { headers: Object.fromEntries(headers) } : {}),
    content: { 'application/problem+json': { schema } },
  };
}

export const PROBLEM_STATUSES: readonly number[] = Object.keys(MEANINGS).map(Number);
