import { ROLLOUT_MODES, type RolloutMode } from '@unified-ws/protocol';

/** What was in force before a roll-back. All other fields stay the same through a roll-back. */
interface RolledBack {
  readonly mode: RolloutMode;
  readonly enforce: boolean;
  readonly at: string;
  readonly by: string;
  readonly reason: string;
}

/** The assignment of users to endpoints, as set by an admin. */
export interface RolloutState {
  readonly mode: RolloutMode;
  readonly percentage: number;
  readonly userList: ReadonlySet<string>;
  readonly forceLegacy: ReadonlySet<string>;
  readonly enforce: boolean;
  /** Grows by one with each change. 0: nothing was ever set, or Redis lost it. */
  readonly version: number;
  readonly changedAt: string | null;
  readonly changedBy: string | null;
  readonly reason: string;
  readonly rolledBack: RolledBack | null;
}

/** Before a roll-out is set, all users stay on the legacy endpoints. */
export const DEFAULT_ROLLOUT: RolloutState = {
  mode: 'disabled',
  percentage: 0,
  userList: new Set(),
  forceLegacy: new Set(),
  enforce: false,
  version: 0,
  changedAt: null,
  changedBy: null,
  reason: '',
  rolledBack: null,
};

type Fields = Readonly<Record<string, string>>;

/** The fields of the state's hash in Redis, without the tag. */
export function rolloutFields(state: RolloutState): Fields {
  return {
    mode: state.mode,
    percentage: String(state.percentage),
    user_list: JSON.stringify([...state.userList]),
    force_legacy: JSON.stringify([...state.forceLegacy]),
    enforce: state.enforce ? '1' : '0',
    version: String(state.version),
    changed_at: state.changedAt ?? '',
    changed_by: state.changedBy ?? '',
    reason: state.reason,
    rolled_back: state.rolledBack === null ? '' : JSON.stringify(state.rolledBack),
  };
}

/** @throws Error when the hash contains anything that this code did not write. */
export function rolloutOf(fields: Fields): RolloutState {
  if (Object.keys(fields).length === 0) return DEFAULT_ROLLOUT;
  const mode = ROLLOUT_MODES.find((one) => one === fields.mode);
  const percentage = Number(fields.percentage);
  const version = Number(fields.version);
  if (mode === undefined) throw new Error('the stored roll-out has an unknown mode');
  if (!(percentage >= 0 && percentage <= 100)) throw new Error('the stored roll-out has no valid percentage');
  if (!Number.isSafeInteger(version)) throw new Error('the stored roll-out has no valid version');
  return {
    mode,
    percentage,
    userList: idsOf(fields.user_list),
    forceLegacy: idsOf(fields.force_legacy),
    enforce: fields.enforce === '1',
    version,
    changedAt: fields.changed_at || null,
    changedBy: fields.changed_by || null,
    reason: fields.reason ?? '',
    rolledBack: fields.rolled_back ? (JSON.parse(fields.rolled_back) as RolledBack) : null,
  };
}

function idsOf(text = '[]'): ReadonlySet<string> {
  const ids: unknown = JSON.parse(text);
  // F32 of the predecessor: ids of another type than the requested one matched no user, without an error.
  if (Array.isArray(ids) && ids.every((id) => typeof id === 'string')) return new Set(ids);
  throw new Error('the stored roll-out has a list with values that are not user ids');
}
