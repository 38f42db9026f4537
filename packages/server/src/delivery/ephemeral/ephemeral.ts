import type { EphemeralMessage } from '../../bus/busMessages.js';
import type { StoredEvent } from '../../events/event/storedEvent.js';
import type { ReadersParts } from '../broadcast/readers.js';
import type { Compression } from '../frames/compression.js';
import { ephemeralFrame, type FrameShape } from '../frames/eventFrame.js';
import { cachedFrame, cachedShapeFrame, type Framed } from '../frames/frameCache.js';
import { LatestValues } from './latestValues.js';
import { type Limiter, Limiters } from './limiters.js';

/** An ephemeral event on this node. */
export interface EphemeralItem extends Framed {
  readonly event: StoredEvent;
  /** The user whom it is for; null: broadcast. */
  readonly user: string | null;
  /** About, of its JSON: for what is kept. */
  readonly bytes: number;
  /** Grows by 1 with each event that goes out; 0 before. */
  seq: number;
}

/** What waits for a flush, or for its type's rate, at most: ephemeral events are worth no more memory than this. */
const MAX_WAITING = 10_000;
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/**
 * Ephemeral events on their way to local connections: at most once, without positions. Of those with one type, conflation key and
 * user only the latest goes out with a flush; over the rate of a type (the catalogue's `rate`, events per minute and user) the
 * latest waits, and what has no key is dropped with a count.
 */
export class Ephemeral {
  readonly counts = {
    received: 0,
    sent: 0,
    conflated: 0,
    dropped_rate: 0,
    dropped_expired: 0,
    dropped_full: 0,
    dropped_fenced: 0,
  };
  private readonly parts: Pick<ReadersParts, 'catalogue' | 'clock'>;
  private readonly wake: () => void;
  private fresh = new Map<string | symbol, EphemeralItem>();
  private readonly limiters = new Limiters<EphemeralItem>();
  private readonly latest = new LatestValues<EphemeralItem>(MAX_WAITING, MAX_WAITING_BYTES);
  /** Of what waits: fresh and held back. */
  private waiting = 0;
  private waitingBytes = 0;
  private last = 0;
  private timer: NodeJS.Timeout | null = null;

  /** @param wake something is due: a flush is to be scheduled. */
  constructor(parts: Pick<ReadersParts, 'catalogue' | 'clock'>, wake: () => void) {
    this.parts = parts;
    this.wake = wake;
  }

  /** Of the newest event that went out. */
  get seq(): number {
    return this.last;
  }

  /** Whether a flush has something to deliver. */
  get due(): boolean {
    return this.fresh.size > 0 || this.limiters.dueAt <= this.parts.clock.mono();
  }

  /**
   * Broadcast events from the bus.
   *
   * @param bytes of all of them, as they came.
   */
  take(events: readonly StoredEvent[], bytes: number): void {
    const each = Math.ceil(bytes / Math.max(1, events.length));
    for (const event of events) this.add({ event, user: null, bytes: each, seq: 0 });
    this.wake();
  }

  /** Events for users of this node. */
  takeTargeted(events: EphemeralMessage['events'], bytes: number): void {
    const each = Math.ceil(bytes / Math.max(1, events.length));
    for (const { users, event } of events) {
      for (const user of users) this.add({ event: event as StoredEvent, user, bytes: each, seq: 0 });
    }
    this.wake();
  }

  /** What goes out with the flush of this moment, in order. */
  takeAll(now: number): readonly EphemeralItem[] {
    const out: EphemeralItem[] = [];
    const wall = this.parts.clock.now();
    // Those that waited longest first.
    this.limiters.release(now, (item) => this.emit(item, wall, out));
    const { fresh } = this;
    if (fresh.size > 0) this.fresh = new Map();
    const catalogue = this.parts.catalogue();
    for (const item of fresh.values()) {
      const rate = catalogue.get(item.event.type)?.rate;
      const limiter = rate === undefined ? null : this.limiters.of(item.user, item.event.type, rate);
      if (limiter === null || limiter.take(now)) this.emit(item, wall, out);
      else this.hold(limiter, item, now);
    }
    this.arm(now);
    return out;
  }

  /** This node may not deliver: what waits is gone. */
  discard(): void {
    this.counts.dropped_fenced += this.waiting;
    this.fresh.clear();
    this.limiters.clear();
    this.waiting = 0;
    this.waitingBytes = 0;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }

  /**
   * The latest value of each key of those that went out after `seq`, in that order: what a connection that fell behind then is
   * to have. What had no key is gone.
   */
  since(seq: number, userId: string): EphemeralItem[] {
    return this.latest.after(seq, ({ user }) => user === null || user === userId);
  }

  stop(): void {
    this.discard();
  }

  private add(item: EphemeralItem): void {
    this.counts.received += 1;
    const slot = slotOf(item) ?? Symbol('no key');
    const replaced = this.fresh.get(slot);
    if (replaced) {
      this.leave(replaced);
      this.counts.conflated += 1;
    } else if (this.waiting >= MAX_WAITING || this.waitingBytes + item.bytes > MAX_WAITING_BYTES) {
      this.counts.dropped_full += 1;
      return;
    }
    this.enter(item);
    // The new value takes the place of the old one in the queue: else a key that changes often would never be sent.
    this.fresh.set(slot, item);
  }

  private hold(limiter: Limiter<EphemeralItem>, item: EphemeralItem, now: number): void {
    const slot = slotOf(item);
    if (slot === null) {
      this.leave(item);
      this.counts.dropped_rate += 1;
      return;
    }
    const replaced = this.limiters.hold(limiter, slot, item, now);
    if (!replaced) return;
    this.leave(replaced);
    this.counts.conflated += 1;
  }

  private emit(item: EphemeralItem, wall: number, out: EphemeralItem[]): void {
    this.leave(item);
    const { expires_at } = item.event;
    if (expires_at !== undefined && Date.parse(expires_at) <= wall) {
      this.counts.dropped_expired += 1;
      return;
    }
    this.last += 1;
    item.seq = this.last;
    this.counts.sent += 1;
    const slot = slotOf(item);
    if (slot !== null) this.latest.set(slot, item);
    out.push(item);
  }

  private enter(item: EphemeralItem): void {
    this.waiting += 1;
    this.waitingBytes += item.bytes;
  }

  private leave(item: EphemeralItem): void {
    this.waiting -= 1;
    this.waitingBytes -= item.bytes;
  }

  /** One timer for all that is held back. */
  private arm(now: number): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const { dueAt } = this.limiters;
    if (dueAt === Number.POSITIVE_INFINITY) return;
    this.timer = setTimeout(
      () => {
        this.timer = null;
        this.wake();
      },
      Math.max(1, Math.ceil(dueAt - now)),
    );
  }
}

/** Null: it has no key. */
function slotOf({ event, user }: EphemeralItem): string | null {
  if (event.conflation_key === undefined) return null;
  // A user id may hold any character, a type may not.
  return `${event.type} ${event.conflation_key.length} ${event.conflation_key}${user === null ? '' : ` ${user}`}`;
}

/** The item's frame for a clearance that may not see `hidden`. */
export function frameOfItem(
  item: EphemeralItem,
  hidden: string,
  compression: Compression | null,
  shape?: FrameShape,
): Buffer {
  if (shape) return cachedShapeFrame(item, hidden, shape);
  const scope = item.user === null ? 'broadcast' : 'user';
  return cachedFrame(item, hidden, compression, () => ephemeralFrame(item.event, hidden, scope));
}
