import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type ErrorCode, errorCodes } from '@unified-ws/protocol';
import express, { type ErrorRequestHandler, type Express } from 'express';
import { REST_DURATION } from '../observability/metrics/nodeCountsMetrics.js';
import { AppError } from '../util/appError.js';
import { answer } from './request/answer.js';
import { localsOf } from './request/caller.js';
import { Gate } from './request/gate.js';
import type { RestParts } from './request/restParts.js';
import { problemOf, RestProblem, unexpected } from './request/restProblem.js';
import { Router } from './request/router.js';
import { securityHeaders } from './request/securityHeaders.js';
import { auditRoutes } from './routes/auditRoutes.js';
import { broadcastRoutes } from './routes/broadcastRoutes.js';
import { catalogueRoutes } from './routes/catalogueRoutes.js';
import { clusterRoutes } from './routes/clusterRoutes.js';
import { connectionRoutes } from './routes/connectionRoutes.js';
import { eventRoutes } from './routes/eventRoutes.js';
import { mailboxRoutes } from './routes/mailboxRoutes.js';
import { nodeRoutes } from './routes/nodeRoutes.js';
import { probeRoutes } from './routes/probeRoutes.js';
import { queueRoutes } from './routes/queueRoutes.js';
import { specRoutes } from './routes/specRoutes.js';
import { userRoutes } from './routes/userRoutes.js';

/** Unknown paths are counted under this name: a path comes from outside and must not become a label. */
const UNMATCHED = 'unmatched';
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** The HTTP side of a node. */
export interface RestApp {
  /** For the node's server. WebSocket upgrades do not pass here. */
  readonly listener: RequestListener;
  /** Finds the operations for all requests but the most frequent ones. */
  readonly routes: Express;
}

/**
 * A target may include its origin (`GET http://host/path`, RFC 9112 §3.2.2). The origin is ignored. For a malformed one Express
 * finds no path and would answer with an HTML page of its own.
 */
function pathOf(target: string): string {
  const path = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '');
  return path.startsWith('/') || path === '*' ? path : `/${path}`;
}

export function createRestApp(parts: RestParts): RestApp {
  const begin = beginning(parts);
  const fail = failing(parts);
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', false);
  const router = new Router(app, new Gate(parts));
  eventRoutes(router, parts);
  broadcastRoutes(router, parts);
  probeRoutes(router, parts);
  clusterRoutes(router, parts);
  userRoutes(router, parts);
  connectionRoutes(router, parts);
  nodeRoutes(router, parts);
  queueRoutes(router, parts);
  auditRoutes(router, parts);
  catalogueRoutes(router, parts);
  mailboxRoutes(router, parts);
  for (const mount of parts.moreRoutes) mount(router);
  specRoutes(router, parts);
  router.close();
  app.use(() => {
    throw new RestProblem(404, 'NOT_FOUND', 'This path does not exist.');
  });
  const answerFailure: ErrorRequestHandler = (error, request, response, _next) => fail(error, request, response);
  app.use(answerFailure);
  const listener: RequestListener = (request, response) => {
    begin(request, response);
    request.url = pathOf(request.url ?? '/');
    const answered = router.post(request, response);
    if (answered === null) app(request, response);
    else answered.catch((error: unknown) => fail(error, request, response));
  };
  return { listener, routes: app };
}

/** What every request begins with, whichever operation it is for. */
function beginning({ addresses, clock, durations }: RestParts): RequestListener {
  // Every answer depends on the time and on the token.
  const headers = [...securityHeaders(), ['Cache-Control', 'no-store'] as const];
  return (request, response) => {
    const startedAt = clock.mono();
    for (const [name, value] of headers) response.setHeader(name, value);
    const locals = localsOf(response);
    locals.address = addresses.of(request);
    const count = (): void => {
      const { method = '' } = request;
      const { route = UNMATCHED } = locals;
      const labels = { method: METHODS.has(method) ? method : 'other', route, status: String(response.statusCode) };
      durations.observe(REST_DURATION, clock.mono() - startedAt, labels);
    };
    response.once('close', () => {
      if (response.writableFinished) count();
      // Its sender went away: a body that was cut off is noticed in this turn too, and changes the status.
      else setImmediate(count);
    });
  };
}

type Fail = (error: unknown, request: IncomingMessage, response: ServerResponse) => void;

/** Every failure ends here and gets the same form of answer, without texts of libraries. */
function failing({ report, errorLog, securityRecords }: RestParts): Fail {
  return (error, request, response) => {
    const problem = problemOf(error) ?? unexpected();
    if (problem.status === 500) report(error, 'rest.request');
    const { address = '', caller, route = UNMATCHED } = localsOf(response);
    const identity = caller?.identity ?? null;
    if (Object.hasOwn(errorCodes, problem.code)) {
      errorLog.onRequest(identity?.userId ?? null, problem.code as ErrorCode);
    }
    if (error instanceof AppError) {
      securityRecords.refused({ ip: address, via: 'rest', identity }, error, `${request.method} ${route}`);
    }
    if (response.headersSent) {
      response.destroy();
      return;
    }
    response.statusCode = problem.status;
    for (const [name, value] of Object.entries(problem.headers)) response.setHeader(name, value);
    answer(response, problem, 'application/problem+json; charset=utf-8');
  };
}
