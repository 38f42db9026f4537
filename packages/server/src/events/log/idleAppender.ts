import type { ScriptCall } from '../../redis/luaScript.js';
import type { StoredEvent } from '../event/storedEvent.js';
import type { AppendResult } from './broadcastLog.js';

/** What a lane adds to an append, to be done in the same step where that is possible. */
export interface LaneCalls {
  /** Whether the lane is idle. */
  readonly idle: ScriptCall;
  /** Records how the events end. */
  readonly outcomes: ScriptCall;
}

export interface IdleAppend extends AppendResult {
  /** What `LaneCalls.outcomes` answered; null: it was not run. */
  readonly recorded: string | null;
}

/** Why a lane did not let an event pass: a few jobs are left, or many; or it is not their number (`busy`). */
export type LaneState = 'nearly idle' | 'backlog' | 'busy';

/** What the script of `LaneCalls.idle` answered; null: the lane is idle. */
export function laneState(answer: unknown): LaneState | null {
  if (answer === 1) return null;
  return answer === 2 ? 'nearly idle' : answer === 3 ? 'backlog' : 'busy';
}

/** Appends events past the queue. */
export interface IdleAppender {
  /**
   * Appends if the lane is idle.
   *
   * @param events at most 500, with at most one target user each, and about 1 MiB in all.
   * @returns the state of a lane that is not idle; nothing was appended then.
   * @throws whatever the connection says; it is not known then whether the events were appended.
   */
  appendIfIdle(events: readonly StoredEvent[], lane: LaneCalls): Promise<IdleAppend | LaneState>;
}
