import { errorCodes, type Problem, problemSchema } from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import type { FuzzedRequest } from '../../../support/arbitraries/requests.js';
import type { RawAnswer } from '../../../support/rawHttp.js';
import { leakIn } from './leaks.js';
import { PUBLIC_PATHS } from './routes.js';
import { strict } from './strictSchemas.js';

const ajv = new Ajv({ strict: false });
const isProblem = ajv.compile<Problem>(strict(problemSchema));

/** Statuses that say more than the one that goes with their code. */
const FINER: Readonly<Record<string, readonly number[]>> = {
  NOT_FOUND: [404],
  METHOD_NOT_ALLOWED: [405, 426],
  MESSAGE_ERROR: [400, 415],
  VALIDATION_ERROR: [400, 422],
};
/** What an admin's request may come to (304: to `If-None-Match: *`). Redis is there, and nothing is over its limits. */
const TO_AN_ADMIN: ReadonlySet<number> = new Set([200, 202, 204, 304, 400, 404, 409, 413, 415, 422, 426]);

/** Why an answer is none that the protocol knows; null when it is. */
export function faultOfAnswer(
  request: FuzzedRequest,
  answer: RawAnswer | null,
  secrets: readonly string[],
): string | null {
  const { malformed, unfinished } = request;
  if (answer === null) return malformed || unfinished ? null : 'no answer';
  const { status, headers, body } = answer;
  const sent = request.bytes.toString('latin1');
  const leak = leakIn(`${[...headers].join('\n')}\n${body}`, secrets, sent);
  if (leak !== null) return leak;
  if (!(status >= 200 && status < 500)) return `status ${status}`;
  const type = headers.get('content-type') ?? '';
  // The parser of HTTP answers what it cannot read, in its own words.
  if ((malformed || unfinished) && body === '') return null;
  return faultOfStatus(request, status) ?? (request.method === 'HEAD' ? null : faultOfBody(status, type, body));
}

function faultOfStatus({ route, asker, malformed, unfinished }: FuzzedRequest, status: number): string | null {
  if (route === null || malformed || unfinished || PUBLIC_PATHS.has(route.path)) return null;
  if (asker === 'admin') return TO_AN_ADMIN.has(status) ? null : `status ${status} to an admin`;
  const due = asker === 'user' ? 403 : 401;
  return status === due ? null : `status ${status} instead of ${due}`;
}

function faultOfBody(status: number, type: string, body: string): string | null {
  if (status === 204 || status === 304) return body === '' ? null : 'a body where there is none';
  if (status < 400) return type.startsWith('application/json') ? notJson(body) : null;
  if (!type.startsWith('application/problem+json')) return `an error as ${type || 'nothing'}`;
  const unreadable = notJson(body);
  if (unreadable !== null) return unreadable;
  const problem: unknown = JSON.parse(body);
  if (!isProblem(problem)) return ajv.errorsText(isProblem.errors);
  if (problem.status !== status) return `the problem says ${problem.status}`;
  const due = FINER[problem.code] ?? [errorCodes[problem.code as keyof typeof errorCodes].http];
  return due.includes(status) ? null : `${problem.code} with the status ${status}`;
}

function notJson(body: string): string | null {
  try {
    JSON.parse(body);
    return null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return 'a body that is no JSON';
  }
}
