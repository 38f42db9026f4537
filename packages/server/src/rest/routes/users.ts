import { disconnectBodySchema, permissionsChangedBodySchema, REST_BASE } from '@unified-ws/protocol';
import type { Disconnects } from '../../operations/disconnect.js';
import type { PermissionChanges } from '../../operations/permissions.js';
import type { Reports } from '../../operations/reports.js';
import type { Gate } from '../auth.js';
import { jsonBody } from '../body.js';
import { callerOf } from '../http.js';
import { RestProblem } from '../problem.js';
import type { Router } from '../router.js';
import { bodyReader, readUserId } from '../validation.js';

export interface UserRouteParts {
  readonly disconnects: Disconnects;
  readonly permissionChanges: PermissionChanges;
  readonly reports: Pick<Reports, 'connections'>;
}

/** Single users' connections. */
export function userRoutes(
  router: Router,
  gate: Gate,
  { disconnects, permissionChanges, reports }: UserRouteParts,
): void {
  const readBody = bodyReader(disconnectBodySchema);

  router.route(`${REST_BASE}/user/:user_id`, {
    get: [
      gate.authorise('admin:connections'),
      async (request, response) => {
        const found = await reports.connections.find(readUserId(request.params.user_id));
        if (found === null) throw new RestProblem(404, 'NOT_FOUND', 'This user is not connected.');
        response.json(found);
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
        const { identity } = callerOf(response);
        const actor = { userId: identity.userId, ip: request.ip ?? '', via: 'rest' as const };
        response.json(await disconnects.disconnect(order, actor));
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
        const { identity } = callerOf(response);
        const actor = { userId: identity.userId, ip: request.ip ?? '', via: 'rest' as const };
        response.json(await permissionChanges.change(change, actor));
      },
    ],
  });
}
