import type { RedisClient } from '../../redis/connect.js';
import type { LuaScript } from '../../redis/luaScript.js';
import type { StoredEvent } from '../event/storedEvent.js';
import type { AppendResult } from './broadcastLog.js';
import { type IdleAppend, type IdleAppender, type LaneCalls, type LaneState, laneState } from './idleAppender.js';

export interface AskingAppenderParts {
  readonly append: (events: readonly StoredEvent[]) => Promise<AppendResult>;
  /** Tells whether a queue is idle: the script of `LaneCalls.idle`. */
  readonly idle: LuaScript;
  /** The connection to the queues' Redis; null: not open. */
  readonly queueRedis: () => RedisClient | null;
  /** False while this node is fenced. */
  readonly mayAppend: () => boolean;
}

/**
 * Asks the queue's Redis first, and appends then: for a Redis Cluster, and for a queue with a Redis of its own. The order keeps Q3: what
 * was accepted before the question is appended by then, or the lane is not idle.
 */
export class AskingAppender implements IdleAppender {
  private readonly parts: AskingAppenderParts;

  constructor(parts: AskingAppenderParts) {
    this.parts = parts;
  }

  async appendIfIdle(events: readonly StoredEvent[], { idle }: LaneCalls): Promise<IdleAppend | LaneState> {
    const { append, idle: script, queueRedis, mayAppend } = this.parts;
    const redis = queueRedis();
    if (redis === null) return 'busy';
    const state = laneState(await script.run(redis, idle.keys, idle.args));
    if (state !== null) return state;
    // The answer took its time.
    return mayAppend() ? { ...(await append(events)), recorded: null } : 'busy';
  }
}
