import { LEGACY_GROUPS, LEGACY_PATHS, WS_PATH } from '@unified-ws/protocol';
import { readUserId, readUserIds } from '../../http/request/bodyReader.js';
import { actorOf, callerOf } from '../../http/request/caller.js';
import { cors } from '../../http/request/cors.js';
import type { Router } from '../../http/request/router.js';
import type { Settings } from '../../settings/settings.js';
import type { RolloutOrders } from '../rollout/rolloutOrders.js';
import type { Rollouts } from '../rollout/rollouts.js';

const LEGACY_BY_GROUP = Object.fromEntries(
  LEGACY_GROUPS.map((group) => [group, LEGACY_PATHS[0].replace('<group>', group)]),
);

export interface RolloutRouteParts {
  readonly settings: Settings;
  readonly rollouts: Rollouts;
  readonly rolloutOrders: RolloutOrders;
}

/** The assignment of users to the unified endpoint or to the legacy endpoints. */
export function rolloutRoutes(router: Router, { settings, rollouts, rolloutOrders }: RolloutRouteParts): void {
  router.operation('getRollout', () => rolloutOrders.describe());
  router.operation('setRollout', ({ body, ...call }) => {
    for (const list of ['user_list', 'force_legacy'] as const) readUserIds(body[list], `/${list}`);
    return rolloutOrders.change(body, actorOf(call));
  });
  router.operation('rollBackRollout', ({ body, ...call }) => rolloutOrders.rollBack(body.reason, actorOf(call)));
  router.operation('restoreRollout', ({ body, ...call }) => rolloutOrders.restore(body.reason, actorOf(call)));
  router.operation(
    'getOwnRollout',
    ({ response }) => {
      const decision = rollouts.decide(callerOf(response).identity.userId);
      const legacy = rollouts.legacyEndpoints ? LEGACY_BY_GROUP : {};
      return { ...decision, paths: { unified: WS_PATH, legacy } };
    },
    // Pages of other origins ask too.
    { before: [cors(settings.allowedOrigins)] },
  );
  router.operation('getUserRollout', ({ params }) => rolloutOrders.user(readUserId(params.user_id)));
}
