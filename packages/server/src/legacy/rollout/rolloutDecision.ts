import { createHash } from 'node:crypto';
import { ROLLOUT_REASONS, type RolloutDecision, type RolloutReason } from '@unified-ws/protocol';
import type { RolloutState } from './rolloutState.js';

export type { RolloutDecision } from '@unified-ws/protocol';

/** The predecessor's prefix: at the same percentage every user keeps the same assignment (docs/MIGRATION.md). */
const BUCKET_PREFIX = 'websocket_rollout_';
const BUCKETS = 100;

/** 0 to 99, evenly distributed over user ids, always the same for one id. */
export function bucketOf(userId: string): number {
  const digest = createHash('md5').update(`${BUCKET_PREFIX}${userId}`).digest();
  return digest.readUInt32BE(0) % BUCKETS;
}

/** Without legacy endpoints there is only one choice. */
export const LEGACY_OFF: RolloutDecision = { endpoint: 'unified', reason: 'legacy_endpoints_off', enforced: true };

type Assignments = Pick<RolloutState, 'mode' | 'percentage' | 'userList' | 'forceLegacy' | 'enforce'>;

/** Whether a client behaves the same after both decisions. */
export function sameRollout(a: RolloutDecision, b: RolloutDecision): boolean {
  return a.endpoint === b.endpoint && a.enforced === b.enforced;
}

/** Whether the legacy endpoints are closed to a user. */
export function isClosed({ endpoint, enforced }: RolloutDecision): boolean {
  return endpoint === 'unified' && enforced;
}

/** Pure. With everything else unchanged, a higher percentage moves nobody back to the legacy endpoints. */
export function decideRollout(state: Assignments, userId: string): RolloutDecision {
  const { mode, userList, forceLegacy, percentage } = state;
  if (forceLegacy.has(userId)) return legacy('force_legacy');
  if (mode === 'disabled') return legacy('disabled');
  if (mode === 'full') return unified(state, 'full');
  if (userList.has(userId)) return unified(state, 'user_list');
  if (mode === 'testing') return legacy('not_listed');
  return bucketOf(userId) < percentage ? unified(state, 'within_percentage') : legacy('beyond_percentage');
}

/** One shared object per decision, because a node holds tens of thousands of decisions. */
const LEGACY = made((reason) => ({ endpoint: 'legacy', reason, enforced: false }));
const UNIFIED = made((reason) => ({ endpoint: 'unified', reason, enforced: false }));
const ENFORCED = made((reason) => ({ endpoint: 'unified', reason, enforced: true }));

function made(of: (reason: RolloutReason) => RolloutDecision): Readonly<Record<RolloutReason, RolloutDecision>> {
  const entries = ROLLOUT_REASONS.map((reason) => [reason, Object.freeze(of(reason))]);
  return Object.fromEntries(entries) as Record<RolloutReason, RolloutDecision>;
}

function legacy(reason: RolloutReason): RolloutDecision {
  return LEGACY[reason];
}

function unified({ enforce }: Assignments, reason: RolloutReason): RolloutDecision {
  return (enforce ? ENFORCED : UNIFIED)[reason];
}
