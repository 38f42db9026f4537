import { formatPosition, type Position, parsePosition, type ResumeResult } from '@unified-ws/protocol';
import type { BroadcastLog } from '../events/log/broadcastLog.js';
import type { LogPosition } from './broadcast/logPosition.js';
import type { Fanout } from './fanout.js';

/** What became of a position that a client gave for the broadcast log. */
export interface Resumed {
  readonly result: ResumeResult;
  /** The position in the epoch `epoch`; null: the position of the cohorts when the connection joins. */
  readonly position: LogPosition | null;
  readonly epoch: string;
  /** The position for connection_established; null: that of the cohorts. */
  readonly text: string | null;
}

const FRESH: Resumed = { result: 'fresh', position: null, epoch: '', text: null };
const NONE: Resumed = { result: 'none', position: null, epoch: '', text: null };

/**
 * Checks a position: it is good only when the log has the same epoch, is as long, and its entry carries the same tag (L1).
 * The recent events answer most checks at once; else Redis is asked. This node's own head is never used: it may be behind the
 * node that the client comes from (L5).
 */
export class Resumes {
  private readonly log: BroadcastLog;
  private readonly fanout: Fanout;

  constructor(log: BroadcastLog, fanout: Fanout) {
    this.log = log;
    this.fanout = fanout;
  }

  /**
   * @param given the client's position; null: none, or one that was malformed.
   * @throws whatever the connection to Redis says.
   */
  check(given: string | null): Resumed | Promise<Resumed> {
    const position = given === null ? null : parsePosition(given);
    if (position === null) return FRESH;
    const { position: head, recentEvents } = this.fanout;
    if (position.epoch === head.epoch) {
      if (position.offset === head.offset && position.tag === head.tag) return resumed('full', position);
      const entry = recentEvents.get(position.offset);
      if (entry) return entry.tag === position.tag ? resumed('full', position) : NONE;
    }
    return this.ask(position);
  }

  private async ask(position: Position): Promise<Resumed> {
    const [head, [at], [next]] = await Promise.all([
      this.log.head(),
      position.offset === 0 ? [] : this.log.read(position.offset - 1, position.offset, 1),
      this.log.read(position.offset, Number.MAX_SAFE_INTEGER, 1),
    ]);
    if (head.epoch !== position.epoch || position.offset > head.offset) return NONE;
    // This node does not follow that log yet: it is about to announce that its own is gone.
    if (this.fanout.position.epoch !== head.epoch) return NONE;
    if (at) return at.tag === position.tag ? resumed('full', position) : NONE;
    if (position.offset === head.offset) return position.tag === head.tag ? resumed('full', position) : NONE;
    if (position.offset === 0 && next?.offset === 1) return resumed('full', position);
    if (await this.log.followed(position)) return resumed('full', position);
    // The entry is gone by age or number: what followed it may be gone as well.
    return resumed('partial', position);
  }
}

function resumed(result: ResumeResult, { epoch, offset, tag }: Position): Resumed {
  return { result, position: { offset, tag }, epoch, text: formatPosition(epoch, offset, tag) };
}
