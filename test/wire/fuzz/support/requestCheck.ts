import { errorCodes, type JSONSchema, type Problem, problemSchema, type RestOperation } from '@unified-ws/protocol';
import { Ajv, type ValidateFunction } from 'ajv';
import type { FuzzedRequest } from '../../../support/arbitraries/requests.js';
import type { RawAnswer } from '../../../support/rawHttp.js';
import { leakIn } from './leaks.js';
import { strict } from './strictSchemas.js';

const ajv = new Ajv({ strict: false });
const isProblem = ajv.compile<Problem>(strict(problemSchema));
const replies = new Map<JSONSchema, ValidateFunction>();

/** Statuses that say more than the one that goes with their code. */
const FINER: Readonly<Record<string, readonly number[]>> = {
  NOT_FOUND: [404],
  METHOD_NOT_ALLOWED: [405, 426],
  MESSAGE_ERROR: [400, 415],
  VALIDATION_ERROR: [400, 422],
};

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
  // The parser of HTTP answers what it cannot read, in its own words.
  if ((malformed || unfinished) && body === '') return null;
  return faultOfStatus(request, status) ?? (request.method === 'HEAD' ? null : faultOfBody(request, answer));
}

function faultOfStatus({ route, asker, malformed, unfinished, bytes }: FuzzedRequest, status: number): string | null {
  if (route === null || malformed || unfinished) return null;
  // Express says so to `If-None-Match: *`, of whatever is there.
  if (status === 304 && bytes.includes('If-None-Match')) return null;
  if (route.operation === null) return status === 426 ? null : `status ${status} instead of 426`;
  const { permissions } = route.operation;
  const known = asker === 'admin' || asker === 'user';
  if (permissions !== null && !known) return status === 401 ? null : `status ${status} instead of 401`;
  if (permissions !== null && permissions !== 'any' && asker === 'user') {
    return status === 403 ? null : `status ${status} instead of 403`;
  }
  return statusesOf(route.operation).has(status) ? null : `status ${status}, which its operation does not know`;
}

/** What may come of a request of somebody who may make it. Redis is there, and nothing is over its limits. */
function statusesOf({ answers, problems = [], body, params, query, method }: RestOperation): Set<number> {
  const statuses = new Set([...Object.keys(answers).map(Number), ...problems]);
  if (body) for (const status of [400, 413, 415]) statuses.add(status);
  if (params || query || method === 'delete') statuses.add(400);
  return statuses;
}

function faultOfBody(
  { route, malformed, unfinished }: FuzzedRequest,
  { status, headers, body }: RawAnswer,
): string | null {
  const type = headers.get('content-type') ?? '';
  if (status === 204 || status === 304) return body === '' ? null : 'a body where there is none';
  if (status >= 400) {
    if (!type.startsWith('application/problem+json')) return `an error as ${type || 'nothing'}`;
    return notJson(body) ?? faultOfProblem(JSON.parse(body), status);
  }
  if (!type.startsWith('application/json')) return type.startsWith('text/plain') ? null : `an answer as ${type}`;
  const schema = malformed || unfinished ? undefined : route?.operation?.answers[status]?.schema;
  return notJson(body) ?? (schema === undefined ? null : faultOfReply(schema, JSON.parse(body)));
}

function faultOfReply(schema: JSONSchema, reply: unknown): string | null {
  const validate = replies.get(schema) ?? ajv.compile(strict(schema));
  replies.set(schema, validate);
  return validate(reply) ? null : ajv.errorsText(validate.errors);
}

function faultOfProblem(problem: unknown, status: number): string | null {
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
