import { disconnectBodySchema, permissionsChangedBodySchema, REST_BASE, revokeBodySchema } from '@unified-ws/protocol';
import type { Request, Response } from 'express';
import { CLOCK_TOLERANCE_S } from '../../auth/token.js';
import type { Clock } from '../../clock.js';
import { AppError } from '../../errors.js';
import { parseTime } from '../../events/time.js';
import type { Report } from '../../observability/logger.js';
import type { Actor } from '../../operations/audit.js';
import type { Disconnects } from '../../operations/disconnect.js';
import type { PermissionChanges } from '../../operations/permissions.js';
import type { Reports } from '../../operations/reports.js';
import type { Revocations } from '../../operations/revocations.js';
import type { RegistryStore } from '../../registry/store.js';
import type { Gate } from '../auth.js';
import { jsonBody } from '../body.js';
import { callerOf } from '../http.js';
import { invalid, RestProblem } from '../problem.js';
import type { Router } from '../router.js';
import { bodyReader, readUserId } from '../validation.js';

export interface UserRouteParts {
  readonly disconnects: Disconnects;
  readonly permissionChanges: PermissionChanges;
  readonly revocations: Revocations;
  readonly reports: Pick<Reports, 'connections'>;
  readonly store: Pick<RegistryStore, 'ban'>;
  readonly clock: Clock;
  readonly report: Report;
}

/** Single users' connections. */
export function userRoutes(
  router: Router,
  gate: Gate,
  { disconnects, permissionChanges, revocations, reports, store, clock, report }: UserRouteParts,
): void {
  const readBody = bodyReader(disconnectBodySchema);

  router.route(`${REST_BASE}/user/:user_id`, {
    get: [
      gate.authorise('admin:connections'),
      async (request, response) => {
        const userId = readUserId(request.params.user_id);
        const [found, ban] = await Promise.all([reports.connections.find(userId), banOf(userId)]);
        if (found !== null) response.json({ ...found, ban });
        // The connection is what this is about, and there is none; but whoever asks after a banned user wants to know why.
        else throw new RestProblem(404, 'NOT_FOUND', 'This user is not connected.', ban ? { details: { ban } } : {});
      },
    ],
  });

  /** 200 whatever came of it: `node_unreachable` is no failure, the owner is fenced in Redis and closes when it wakes (C15). */
  router.route(`${REST_BASE}/disconnect/:user_id`, {
    post: [
      gate.authorise('admin:disconnect'),
      ...jsonBody(),
      async (request, response) => {
        const { reason, ban_seconds } = readBody(request.body);
        const order = {
          userId: readUserId(request.params.user_id),
          ...(reason === undefined ? {} : { reason }),
          ...(ban_seconds === undefined ? {} : { banSeconds: ban_seconds }),
        };
        response.json(await disconnects.disconnect(order, actorOf(request, response)));
      },
    ],
  });

  const readRevoke = bodyReader(revokeBodySchema);
  /** 200 whatever came of it: what is void is stored, and holds for whoever connects, calls, or is reached later. */
  router.route(`${REST_BASE}/users/:user_id/revoke`, {
    post: [
      gate.authorise('admin:disconnect'),
      ...jsonBody(),
      async (request, response) => {
        const { before, session } = readRevoke(request.body);
        const order = {
          userId: readUserId(request.params.user_id),
          ...(before === undefined ? {} : { before: readBefore(before) }),
          ...(session === undefined ? {} : { session }),
        };
        response.json(await revocations.revoke(order, actorOf(request, response)));
      },
    ],
  });

  router.route(`${REST_BASE}/users/:user_id/ban`, {
    delete: [
      gate.authorise('admin:disconnect'),
      async (request, response) => {
        response.json(await revocations.lift(readUserId(request.params.user_id), actorOf(request, response)));
      },
    ],
  });

  const readPermissions = bodyReader(permissionsChangedBodySchema);
  /** 200 whatever came of it: the order is stored, and holds for whoever connects or is reached later. */
  router.route(`${REST_BASE}/users/:user_id/permissions-changed`, {
    post: [
      gate.authorise('admin:disconnect'),
      ...jsonBody(),
      async (request, response) => {
        const { roles, permissions } = readPermissions(request.body);
        const change = {
          userId: readUserId(request.params.user_id),
          ...(roles === undefined ? {} : { roles }),
          ...(permissions === undefined ? {} : { permissions }),
        };
        response.json(await permissionChanges.change(change, actorOf(request, response)));
      },
    ],
  });

  async function banOf(userId: string): Promise<{ until: string | null; reason: string } | null> {
    try {
      const ban = await store.ban(userId, clock.now());
      return ban && { until: ban.until === 0 ? null : new Date(ban.until).toISOString(), reason: ban.reason };
    } catch (error) {
      report(error, 'rest.ban');
      throw new AppError('UNAVAILABLE', 'The registry does not answer, try again.', { cause: error });
    }
  }

  /** A time to come would refuse tokens that are not issued yet, the user's next login among them. */
  function readBefore(text: string): number {
    const before = parseTime(text);
    if (before === null) throw invalid('The body is not valid.', '/before', 'must be an RFC 3339 time with a zone');
    if (before > clock.now() + CLOCK_TOLERANCE_S * 1000) {
      throw invalid('The body is not valid.', '/before', 'must not be in the future');
    }
    return before;
  }
}

function actorOf(request: Request, response: Response): Actor {
  return { userId: callerOf(response).identity.userId, ip: request.ip ?? '', via: 'rest' };
}
