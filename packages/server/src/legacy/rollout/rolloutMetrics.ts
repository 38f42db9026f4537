import { ROLLOUT_MODES } from '@unified-ws/protocol';
import { counter, gauge, type Metric, one } from '../../observability/metrics/metric.js';
import type { RolloutNotices } from './rolloutNotices.js';
import type { Rollouts } from './rollouts.js';

interface RolloutSource {
  readonly rollouts: Pick<Rollouts, 'state'>;
  readonly notices: Pick<RolloutNotices, 'sent'>;
}

/** The roll-out in force on this node. */
export const ROLLOUT_METRICS: readonly Metric<RolloutSource>[] = [
  gauge(
    'uws_rollout_mode',
    '1 for the roll-out mode in force on this node, 0 for the others.',
    ({ rollouts: { state } }) => ROLLOUT_MODES.map((mode) => [Number(state.mode === mode), { mode }]),
    ['mode'],
  ),
  gauge(
    'uws_rollout_percentage',
    'Percentage of the roll-out; it applies in mode gradual.',
    ({ rollouts: { state } }) => one(state.percentage),
  ),
  gauge(
    'uws_rollout_version',
    'Version of the roll-out in force on this node; a node that differs for more than 2 s does not hear the cluster.',
    ({ rollouts: { state } }) => one(state.version),
  ),
  gauge(
    'uws_rollout_enforced',
    '1 while the legacy endpoints refuse users who are assigned to the unified one.',
    ({ rollouts: { state } }) => one(state.enforce),
  ),
  gauge(
    'uws_rollout_rolled_back',
    '1 from a roll-back until it is undone or a roll-out is set.',
    ({ rollouts: { state } }) => one(state.rolledBack !== null),
  ),
  counter('uws_rollout_notices_total', 'Messages of type rollout_changed that this node sent.', ({ notices }) =>
    one(notices.sent),
  ),
];
