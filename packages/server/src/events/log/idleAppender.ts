import type { ScriptCall } from '../../redis/luaScript.js';
import type { StoredEvent } from '../event/storedEvent.js';
import type { AppendResult } from './broadcastLog.js';

/** What a lane adds to an append, to be done in the same step where that is possible. */
export interface LaneCalls {
  /** Whether the lane is idle. */
  readonly idle: ScriptCall;
  /** Notes what became of the events; null: nothing is to be noted. */
  readonly outcomes: ScriptCall | null;
}

/** Appends events past the queue. */
export interface IdleAppender {
  /**
   * Appends if the lane is idle.
   *
   * @param events at most 500, with at most one target user each, and about 1 MiB in all.
   * @returns null: the lane is not idle, and nothing was appended.
   * @throws whatever the connection says; it is not known then whether the events were appended.
   */
  appendIfIdle(events: readonly StoredEvent[], lane: LaneCalls): Promise<AppendResult | null>;
  /** Whether `LaneCalls.outcomes` is run in the same step. */
  readonly notesOutcomes: boolean;
}
