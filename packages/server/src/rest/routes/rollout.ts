import { queueReasonSchema, REST_BASE, rolloutBodySchema, WS_PATH } from '@unified-ws/protocol';
import type { Request, Response } from 'express';
import type { Actor } from '../../operations/audit.js';
import type { Rollouts } from '../../operations/rollout.js';
import type { RolloutOrders } from '../../operations/rolloutOrders.js';
import type { Settings } from '../../settings.js';
import type { Gate } from '../auth.js';
import { jsonBody } from '../body.js';
import { cors } from '../cors.js';
import { callerOf } from '../http.js';
import type { Router } from '../router.js';
import { bodyReader, readUserId, readUserIds, requireObject } from '../validation.js';

const GROUPS = ['health', 'dns_management', 'security', 'system', 'admin'] as const;
const LEGACY_PATHS = Object.fromEntries(GROUPS.map((group) => [group, `/ws/${group}`]));

export interface RolloutRouteParts {
  readonly settings: Settings;
  readonly rollouts: Rollouts;
  readonly rolloutOrders: RolloutOrders;
}

/** Who of the predecessor's users goes to the unified endpoint. */
export function rolloutRoutes(
  router: Router,
  gate: Gate,
  { settings, rollouts, rolloutOrders }: RolloutRouteParts,
): void {
  const maySteer = gate.authorise('admin:cluster');
  const readBody = bodyReader(rolloutBodySchema);
  const readReason = bodyReader(queueReasonSchema);

  router.route(`${REST_BASE}/rollout`, {
    get: [maySteer, async (_request, response) => void response.json(await rolloutOrders.describe())],
    put: [
      maySteer,
      ...jsonBody(),
      async (request, response) => {
        const body = readBody(requireObject(request.body));
        for (const list of ['user_list', 'force_legacy'] as const) readUserIds(body[list], `/${list}`);
        response.json(await rolloutOrders.change(body, actorOf(request, response)));
      },
    ],
  });

  router.route(`${REST_BASE}/rollout/rollback`, {
    post: [
      maySteer,
      ...jsonBody(),
      async (request, response) => {
        const { reason } = readReason(request.body);
        response.json(await rolloutOrders.rollBack(reason, actorOf(request, response)));
      },
    ],
  });

  router.route(`${REST_BASE}/rollout/restore`, {
    post: [
      maySteer,
      ...jsonBody(),
      async (request, response) => {
        const { reason } = readReason(request.body);
        response.json(await rolloutOrders.restore(reason, actorOf(request, response)));
      },
    ],
  });

  /** A front end asks before it connects, from a page of another origin too. */
  router.route(
    `${REST_BASE}/rollout/me`,
    {
      get: [
        gate.authenticate(),
        (_request, response) => {
          const decision = rollouts.decide(callerOf(response).identity.userId);
          const legacy = rollouts.legacyEndpoints ? LEGACY_PATHS : {};
          response.json({ ...decision, paths: { unified: WS_PATH, legacy } });
        },
      ],
    },
    [cors(settings.allowedOrigins)],
  );

  router.route(`${REST_BASE}/rollout/users/:user_id`, {
    get: [maySteer, (request, response) => void response.json(rolloutOrders.user(readUserId(request.params.user_id)))],
  });
}

function actorOf(request: Request, response: Response): Actor {
  return { userId: callerOf(response).identity.userId, ip: request.ip ?? '', via: 'rest' };
}
