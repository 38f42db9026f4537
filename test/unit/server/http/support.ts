import { type Problem, problemSchema, REST_BASE } from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import { expect } from 'chai';

/** An answer's body, to be read into: a path that is not there ends the test. */
export type Json = ReturnType<typeof JSON.parse>;

export interface Call {
  readonly method?: string;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly text?: string | Uint8Array<ArrayBuffer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined when the body is no JSON. */
  readonly body: Json;
}

/** A request to a node. A path that does not begin with `/` is below REST_BASE. */
export async function call(node: { readonly http: string }, path: string, options: Call = {}): Promise<Answer> {
  const { token, json, text } = options;
  const body = json === undefined ? text : JSON.stringify(json);
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    ...options.headers,
  };
  const url = `${node.http}${path.startsWith('/') ? path : `${REST_BASE}/${path}`}`;
  const method = options.method ?? (body === undefined ? 'GET' : 'POST');
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  const answer = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '') && answer !== '';
  return {
    status: response.status,
    headers: response.headers,
    text: answer,
    body: isJson ? JSON.parse(answer) : undefined,
  };
}

const isProblem = new Ajv({ strict: false }).compile(problemSchema);

/** What no answer may hold: stacks, paths, names of libraries and of Redis keys. */
const LEAKS = [/\bat .*:\d+:\d+/, /node_modules/, /\.js:\d/, /ioredis|express|bullmq|body-parser/i, /uws:/, /ECONN/];

export function expectNoLeak(text: string): void {
  for (const leak of LEAKS) expect(text).not.to.match(leak);
}

/** Fails unless the answer is a problem of RFC 9457 with this status and code, and nothing of the inside in it. */
export function expectProblem(answer: Answer, status: number, code: string): Problem {
  expect(answer.status, answer.text).to.equal(status);
  expect(answer.headers.get('content-type')).to.match(/^application\/problem\+json/);
  expect(isProblem(answer.body), `${JSON.stringify(isProblem.errors)} in ${answer.text}`).to.equal(true);
  expect(answer.body.code, answer.text).to.equal(code);
  expect(answer.body.status).to.equal(status);
  expectNoLeak(answer.text);
  return answer.body as Problem;
}
