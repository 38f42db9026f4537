import type { RequestListener } from 'node:http';
import { type ErrorCode, errorCodes } from '@unified-ws/protocol';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { REST_DURATION } from '../observability/metrics/nodeCountsMetrics.js';
import { AppError } from '../util/appError.js';
import { localsOf } from './request/caller.js';
import { Gate } from './request/gate.js';
import type { RestParts } from './request/restParts.js';
import { problemOf, RestProblem, unexpected } from './request/restProblem.js';
import { Router } from './request/router.js';
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

/** The HTTP request listener of a node. WebSocket upgrades do not pass here. */
export function createRestListener(parts: RestParts): RequestListener {
  const app = createRestApp(parts);
  return (request, response) => {
    request.url = pathOf(request.url ?? '/');
    app(request, response);
  };
}

/**
 * A target may include its origin (`GET http://host/path`, RFC 9112 §3.2.2). The origin is ignored. For a malformed one Express
 * finds no path and would answer with an HTML page of its own.
 */
function pathOf(target: string): string {
  const path = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '');
  return path.startsWith('/') || path === '*' ? path : `/${path}`;
}

export function createRestApp(parts: RestParts): Express {
  const { addresses } = parts;
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', false);
  app.use(helmet());
  app.use(timed(parts));
  app.use((request, response, next) => {
    localsOf(response).address = addresses.of(request);
    next();
  });
  const router = new Router(app, new Gate(parts));
  // Express tries routes in this order, so the publishing routes come first.
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
  app.use(answerFailure(parts));
  return app;
}

function timed({ clock, durations }: RestParts): RequestHandler {
  return (request, response, next) => {
    const startedAt = clock.mono();
    // Every answer depends on the time and on the token.
    response.set('Cache-Control', 'no-store');
    response.once('close', () => {
      const method = METHODS.has(request.method) ? request.method : 'other';
      const route = localsOf(response).route ?? UNMATCHED;
      const labels = { method, route, status: String(response.statusCode) };
      durations.observe(REST_DURATION, clock.mono() - startedAt, labels);
    });
    next();
  };
}

/** Every failure ends here and gets the same form of answer, without texts of libraries. */
function answerFailure({ report, errorLog, securityRecords }: RestParts): ErrorRequestHandler {
  return (error, request, response, _next) => {
    const problem = problemOf(error) ?? unexpected();
    if (problem.status === 500) report(error, 'rest.request');
    if (Object.hasOwn(errorCodes, problem.code)) {
      errorLog.onRequest(localsOf(response).caller?.identity.userId ?? null, problem.code as ErrorCode);
    }
    if (error instanceof AppError) {
      const { caller, route = UNMATCHED } = localsOf(response);
      const identity = caller?.identity ?? null;
      securityRecords.refused(
        { ip: localsOf(response).address ?? '', via: 'rest', identity },
        error,
        `${request.method} ${route}`,
      );
    }
    if (response.headersSent) {
      response.destroy();
      return;
    }
    response.status(problem.status).set(problem.headers).type('application/problem+json').send(JSON.stringify(problem));
  };
}
