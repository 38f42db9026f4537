import type { Extension } from '../compose/composeExtensions.js';
import { composeLegacyConnections } from './composeLegacyConnections.js';
import { composeRollout } from './composeRollout.js';
import { LEGACY_METRICS } from './connections/legacyMetrics.js';
import { ROLLOUT_METRICS } from './rollout/rolloutMetrics.js';
import { Rollouts } from './rollout/rollouts.js';

/** As in the predecessor (docs/MIGRATION.md). */
const IDLE_MS = 300_000;

/**
 * The transition from the predecessor: its endpoints, and the roll-out that decides who uses them.
 *
 * @param idleMs after this silence a legacy client gets a `ping`.
 */
export function legacyExtension({ idleMs = IDLE_MS } = {}): Extension {
  return {
    metrics: [...LEGACY_METRICS, ...ROLLOUT_METRICS],
    extend: (node) => {
      const { settings, recovery } = node;
      const isServing = (): boolean => recovery.recoveryState === 'serving';
      const rollouts = new Rollouts({ ...node, legacyEndpoints: settings.legacyEndpoints, isServing });
      return [composeLegacyConnections(node, rollouts, idleMs), composeRollout(node, rollouts)];
    },
  };
}
