import {
  clearQueueSchema,
  jobsPageSchema,
  queueReasonSchema,
  REST_BASE,
  retryFailedSchema,
} from '@unified-ws/protocol';
import type { Request, RequestHandler, Response } from 'express';
import type { Actor } from '../../operations/audit.js';
import type { Viewer } from '../../operations/jobView.js';
import type { QueueAdmin } from '../../operations/queue.js';
import type { Gate } from '../auth.js';
import { jsonBody } from '../body.js';
import { callerOf } from '../http.js';
import { invalid, RestProblem } from '../problem.js';
import { queryReader } from '../query.js';
import type { Router } from '../router.js';
import { bodyReader } from '../validation.js';

export interface QueueRouteParts {
  readonly queueAdmin: QueueAdmin;
}

/** The event queue, for admins. */
export function queueRoutes(router: Router, gate: Gate, { queueAdmin }: QueueRouteParts): void {
  const mayRead = gate.authorise('admin:queue');
  const mayWrite = gate.authorise('admin:queue_write');
  const noQuery = queryReader({ type: 'object', properties: {}, additionalProperties: false });
  const reasonQuery = queryReader(queueReasonSchema);
  const readPage = queryReader(jobsPageSchema);
  const readClear = queryReader(clearQueueSchema);
  const readReason = bodyReader(queueReasonSchema);
  const readRetry = bodyReader(retryFailedSchema);

  router.route(`${REST_BASE}/queue`, {
    get: [
      mayRead,
      async (request, response) => {
        noQuery(request);
        response.json(await queueAdmin.read(undefined, viewerOf(response)));
      },
    ],
    delete: [
      mayWrite,
      withoutBody,
      async (request, response) => {
        response.json(await queueAdmin.clear(readClear(request), actorOf(request, response)));
      },
    ],
  });

  router.route(`${REST_BASE}/queue/jobs`, {
    get: [
      mayRead,
      async (request, response) => {
        response.json(await queueAdmin.page(readPage(request), viewerOf(response)));
      },
    ],
  });

  router.route(`${REST_BASE}/queue/jobs/:id`, {
    get: [
      mayRead,
      async (request, response) => {
        noQuery(request);
        response.json(found(await queueAdmin.job(idOf(request), viewerOf(response))));
      },
    ],
    delete: [
      mayWrite,
      withoutBody,
      async (request, response) => {
        const { reason } = reasonQuery(request);
        const id = idOf(request);
        found(await queueAdmin.remove(id, reason, actorOf(request, response)));
        response.json({ id, result: 'deleted' });
      },
    ],
  });

  router.route(`${REST_BASE}/queue/jobs/:id/retry`, {
    post: [
      mayWrite,
      ...jsonBody(),
      async (request, response) => {
        const { reason } = readReason(request.body);
        const id = idOf(request);
        found(await queueAdmin.retry(id, reason, actorOf(request, response)));
        response.json({ id, result: 'retried' });
      },
    ],
  });

  router.route(`${REST_BASE}/queue/retry-failed`, {
    post: [
      mayWrite,
      ...jsonBody(),
      async (request, response) => {
        response.json(await queueAdmin.retryFailed(readRetry(request.body), actorOf(request, response)));
      },
    ],
  });

  for (const order of ['pause', 'resume'] as const) {
    router.route(`${REST_BASE}/queue/${order}`, {
      post: [
        mayWrite,
        ...jsonBody(),
        async (request, response) => {
          const { reason } = readReason(request.body);
          response.json(await queueAdmin[order](reason, actorOf(request, response)));
        },
      ],
    });
  }
}

/** Proxies drop the body of a DELETE: filters in it would silently count as none, and everything be cleared. */
const withoutBody: RequestHandler = (request, _response, next) => {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = request.headers;
  if (length !== '0' || coding !== undefined) {
    throw invalid('This request takes no body.', '', 'must be empty: filters stand in the query');
  }
  next();
};

function idOf({ params: { id } }: Request): string {
  return typeof id === 'string' ? id : '';
}

function found<T>(answer: T | null): T {
  if (answer === null) throw new RestProblem(404, 'NOT_FOUND', 'There is no such job.');
  return answer;
}

function actorOf(request: Request, response: Response): Actor {
  return { userId: callerOf(response).identity.userId, ip: request.ip ?? '', via: 'rest' };
}

function viewerOf(response: Response): Viewer {
  const { identity, permissions } = callerOf(response);
  return { roles: new Set(identity.roles), permissions };
}
