import type { RolloutDecision } from '../../admin/rollout/rollouts.js';

/** Who decides which endpoint a user is to use. */
export interface RolloutSource {
  decide(userId: string): RolloutDecision;
  /** The listener is called when decisions may have changed. */
  onChange(listener: () => void): void;
}

/** Whether the legacy endpoints are closed to a user. */
export function isClosed({ endpoint, enforced }: RolloutDecision): boolean {
  return endpoint === 'unified' && enforced;
}
