import type { Core } from '../../core.js';
import type { EventCatalogue } from '../../events/catalogue/eventCatalogue.js';
import type { LogEntry, LogHead } from '../../events/log/broadcastLog.js';
import type { Compression } from '../frames/compression.js';
import { messageFrame } from '../frames/frame.js';
import { type Clearance, hiddenFields } from '../selection/clearances.js';
import { isRecipient } from '../selection/isRecipient.js';
import type { Member } from './cohorts.js';
import { formatLogPosition, type LogPosition } from './logPosition.js';
import { type Entry, frameOf } from './recentEvents.js';

/** Written to one reader before the next one has its turn, bytes: as much as a peer that reads takes at once. */
const TURN_BYTES = 64 * 1024;

export interface ReplayParts extends Pick<Core, 'clock' | 'logger'> {
  readonly catalogue: () => EventCatalogue;
  readonly compression: Compression;
  /** The position of the cohorts. */
  readonly position: () => LogHead;
  /** The reader's message rate holds events back: the client must be notified. */
  readonly onLimited: (member: Member) => void;
}

/** A connection at another position than its cohort. */
export interface Reader {
  readonly member: Member;
  position: LogPosition;
  /** The position of the cohorts when the reader was added. */
  readonly entered: LogPosition;
  /** The log was shorter than its position when it was last looked at. */
  doubted: boolean;
  /** A page is asked for; what comes of it goes on by itself. */
  reading: boolean;
  /** Read from the log, to be written next. */
  page: readonly LogEntry[] | null;
  /** Monotonic ms. */
  notBefore: number;
}

/** What is written to readers: entries from their position on, or that there are none. Each write moves the position. */
export class Replay {
  readonly counts = {
    /** Events written to connections that were behind. */
    replayed: 0,
    writes: 0,
    bytes: 0,
    /** Of those: from the log in Redis, not from the recent events. */
    fromLog: 0,
    gaps: 0,
  };
  private readonly parts: ReplayParts;

  constructor(parts: ReplayParts) {
    this.parts = parts;
  }

  /**
   * Writes what fits into a turn; the rest of a page waits for the next.
   *
   * @param fromLog `entries` is a page of the log, not of the recent events.
   * @param checkedAt when the right to deliver was checked (C6), monotonic ms.
   */
  write(reader: Reader, entries: Iterable<Entry>, fromLog: boolean, checkedAt: number): void {
    const { member } = reader;
    const limit = member.individual?.batch === false ? 1 : TURN_BYTES;
    const frames: Buffer[] = [];
    let bytes = 0;
    let written = 0;
    for (const entry of entries) {
      if (entry.offset <= reader.position.offset) continue;
      const frame = this.frameFor(member, entry);
      if (bytes >= limit || (frame !== null && !this.mayTake(reader))) {
        if (fromLog) reader.page = entries as readonly LogEntry[];
        break;
      }
      reader.position = { offset: entry.offset, tag: entry.tag };
      if (frame === null) continue;
      frames.push(frame);
      bytes += frame.length;
      written += 1;
    }
    if (written === 0) return;
    member.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames, bytes));
    const { logger } = this.parts;
    if (logger.isLevelEnabled('trace')) logger.trace({ mono: checkedAt, conns: [member.id] }, 'flush');
    this.counts.replayed += written;
    this.counts.writes += 1;
    this.counts.bytes += bytes;
    if (fromLog) this.counts.fromLog += written;
  }

  /** Null: the reader does not receive this event. */
  private frameFor(member: Member, entry: Entry): Buffer | null {
    const definition = this.parts.catalogue().get(entry.event.type);
    if (!definition || !isRecipient(member, entry.event, definition)) return null;
    const compression = member.compress ? this.parts.compression : null;
    const { epoch } = this.parts.position();
    return frameOf(entry, hiddenFields(member.clearance as Clearance, definition), epoch, compression, member.shape);
  }

  /** A durable event over the member's rate is late, never dropped. */
  private mayTake(reader: Reader): boolean {
    const limit = reader.member.individual?.limit;
    const now = this.parts.clock.mono();
    if (!limit || limit.take(now)) return true;
    reader.notBefore = now + limit.retryAfterMs(now);
    this.parts.onLimited(reader.member);
    return false;
  }

  /** The events in between cannot be delivered: the client is notified, they are never skipped silently (L8). */
  skip(reader: Reader, after: LogPosition, to: LogHead, reason: 'trimmed' | 'log_reset'): void {
    const { clock, position } = this.parts;
    const from = formatLogPosition(position().epoch, reader.position);
    reader.position = { offset: after.offset, tag: after.tag };
    this.counts.gaps += 1;
    if (reader.member.shape) return;
    const data = { scope: 'broadcast', from, to: formatLogPosition(position().epoch, to), reason };
    reader.member.write(messageFrame('gap', data, new Date(clock.now()).toISOString()));
  }
}
