import type { LogEntry } from '../../events/log/broadcastLog.js';
import type { Compression } from '../frames/compression.js';
import { eventFrame, type FrameShape } from '../frames/eventFrame.js';
import { cachedFrame, cachedShapeFrame, type Framed } from '../frames/frameCache.js';

/** An entry of the broadcast log as this node serves it. */
export interface Entry extends LogEntry, Framed {}

/** The entry's frame for a clearance that may not see `hidden`. */
export function frameOf(
  entry: Entry,
  hidden: string,
  epoch: string,
  compression: Compression | null,
  shape?: FrameShape,
): Buffer {
  if (shape) return cachedShapeFrame(entry, hidden, shape);
  return cachedFrame(entry, hidden, compression, () => eventFrame(entry, hidden, epoch, 'broadcast'));
}

/**
 * The newest broadcast events, without a hole, for connections that are behind: each holds a position and no queue, so a
 * slow one costs the same memory whatever it missed.
 */
export class RecentEvents {
  private readonly maxEntries: number;
  private readonly maxBytes: number;
  private readonly ring: (Entry | undefined)[] = [];
  private first = 0;
  private count = 0;
  private held = 0;

  /**
   * @param maxEntries WINDOW_SIZE.
   * @param maxBytes WINDOW_BYTES of events as JSON; their frames come on top where they are built.
   */
  constructor(maxEntries: number, maxBytes: number) {
    this.maxEntries = maxEntries;
    this.maxBytes = maxBytes;
  }

  get size(): number {
    return this.count;
  }

  /** Bytes of JSON held. */
  get bytes(): number {
    return this.held;
  }

  /** Offset of the oldest entry; 0 when there is none. */
  get oldest(): number {
    return this.count === 0 ? 0 : this.first;
  }

  /** Offset of the newest entry; 0 when there is none. */
  get newest(): number {
    return this.count === 0 ? 0 : this.first + this.count - 1;
  }

  /** Whether every entry after `offset`, up to the newest, is here. */
  covers(offset: number): boolean {
    return this.count > 0 && offset >= this.first - 1;
  }

  get(offset: number): Entry | undefined {
    if (this.count === 0 || offset < this.first || offset >= this.first + this.count) return undefined;
    return this.ring[offset % this.maxEntries];
  }

  /** Takes the next entry. One that does not follow the newest makes the older ones worthless. */
  push(entry: Entry): void {
    if (this.count > 0 && entry.offset !== this.first + this.count) this.clear();
    if (this.count === 0) this.first = entry.offset;
    while (this.count > 0 && (this.count >= this.maxEntries || this.held + entry.bytes > this.maxBytes)) this.drop();
    if (this.count === 0) this.first = entry.offset;
    this.ring[entry.offset % this.maxEntries] = entry;
    this.count += 1;
    this.held += entry.bytes;
  }

  clear(): void {
    this.ring.length = 0;
    this.count = 0;
    this.held = 0;
  }

  private drop(): void {
    const slot = this.first % this.maxEntries;
    this.held -= this.ring[slot]?.bytes ?? 0;
    this.ring[slot] = undefined;
    this.first += 1;
    this.count -= 1;
  }
}
