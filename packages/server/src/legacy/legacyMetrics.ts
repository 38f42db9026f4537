import { ROLLOUT_MODES } from '@unified-ws/protocol';
import { counter, each, gauge, one, type ReadMetric } from '../observability/metrics/table/metric.js';

/** The endpoints of the predecessor and the roll-out. */
export const LEGACY_METRICS: readonly ReadMetric[] = [
  gauge(
    'uws_legacy_connections',
    'Connections to the endpoints of the predecessor, by group.',
    ({ stats }) => each(stats.legacy.by_group, 'group'),
    ['group'],
  ),
  counter(
    'uws_legacy_upgrades_total',
    'Upgrades on those endpoints that became a WebSocket, by group, including connections then refused for their token or by the roll-out.',
    ({ stats }) => each(stats.legacy.upgrades, 'group'),
    ['group'],
  ),
  counter(
    'uws_legacy_established_total',
    'Connections to the endpoints of the predecessor that were established, by group.',
    ({ stats }) => each(stats.legacy.established, 'group'),
    ['group'],
  ),
  counter(
    'uws_legacy_messages_total',
    'Messages of clients on those endpoints, by type; types that the old protocol does not know are other.',
    ({ stats }) => each(stats.legacy.messages, 'type'),
    ['type'],
  ),
  counter(
    'uws_legacy_notices_total',
    'Deprecation notices by occasion: at connect, when the roll-out of the user changed (`change`), and when the endpoint refused the user at connect (`refused`) or closed the connection (`closed`).',
    ({ stats }) => each(stats.legacy.notices, 'occasion'),
    ['occasion'],
  ),
  counter(
    'uws_legacy_replaced_total',
    'Connections to those endpoints that were replaced by a newer one of the same user and group.',
    ({ stats }) => one(stats.legacy.replaced),
  ),

  gauge(
    'uws_rollout_mode',
    '1 for the roll-out mode in force on this node, 0 for the others.',
    ({ stats: { rollout } }) => ROLLOUT_MODES.map((mode) => [Number(rollout.mode === mode), { mode }]),
    ['mode'],
  ),
  gauge('uws_rollout_percentage', 'Percentage of the roll-out; it applies in mode gradual.', ({ stats }) =>
    one(stats.rollout.percentage),
  ),
  gauge(
    'uws_rollout_version',
    'Version of the roll-out in force on this node; a node that differs for more than 2 s does not hear the cluster.',
    ({ stats }) => one(stats.rollout.version),
  ),
  gauge(
    'uws_rollout_enforced',
    '1 while the legacy endpoints refuse users who are assigned to the unified one.',
    ({ stats }) => one(stats.rollout.enforce),
  ),
  gauge('uws_rollout_rolled_back', '1 from a roll-back until it is undone or a roll-out is set.', ({ stats }) =>
    one(stats.rollout.rolled_back),
  ),
  counter('uws_rollout_notices_total', 'Messages rollout_changed sent.', ({ stats }) => one(stats.rollout.notices)),
];
