import { randomBytes } from 'node:crypto';
import type { AdminParts } from '../compose/composeAdmin.js';
import type { Addition } from '../compose/composeExtensions.js';
import { metricList } from '../observability/metrics/metric.js';
import { ROLLOUT_METRICS } from './rollout/rolloutMetrics.js';
import { RolloutNotices } from './rollout/rolloutNotices.js';
import { RolloutOrders } from './rollout/rolloutOrders.js';
import type { Rollouts } from './rollout/rollouts.js';
import { rolloutRoutes } from './routes/rolloutRoutes.js';

/** The roll-out: admin operations, and notices to users whose assignment changes. */
export function composeRollout(node: AdminParts, rollouts: Rollouts): Addition {
  const { settings, report, keys, table, shards } = node;
  const notices = new RolloutNotices({ rollouts, table, report });
  const rolloutOrders = new RolloutOrders({ ...node, rollouts, randomBytes });
  return {
    name: 'rollout',
    routes: (router) => rolloutRoutes(router, { settings, rollouts, rolloutOrders }),
    metrics: [metricList(ROLLOUT_METRICS, () => ({ rollouts, notices }))],
    stats: () => {
      const { mode, percentage, enforce, version, rolledBack } = rollouts.state;
      const rolled_back = rolledBack !== null;
      return { rollout: { mode, percentage, enforce, version, rolled_back, notices: notices.sent } };
    },
    onEstablished: (connection) => notices.established(connection),
    catchUp: async (starts) => {
      // Clients were notified of earlier changes by other nodes: a node serves by the roll-out in force, or not at all. Users whose own shards
      // answer must not wait for this one, so the last known roll-out stays until it answers again.
      if (starts || !shards.isAway(keys.rollout())) await rollouts.refresh();
    },
    start: () => rollouts.start(),
    stop: async () => {
      rollouts.stop();
      await notices.stop();
    },
  };
}
