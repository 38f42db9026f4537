import type { Core } from '../../core.js';
import type { LogHead } from '../../events/log/broadcastLog.js';
import type { LogPages } from '../../events/log/logPages.js';
import { Semaphore } from '../../util/semaphore.js';
import type { Member } from './cohorts.js';
import type { LogPosition } from './logPosition.js';
import type { Entry, RecentEvents } from './recentEvents.js';
import { type Reader, Replay, type ReplayParts } from './replay.js';
import { ReplayPace } from './replayPace.js';

/** Readers are served for at most this long before the event loop goes on, milliseconds: live events come between. */
const TURN_MS = 4;
/** Readers that read the log in Redis at the same time; each holds a page. */
const MAX_READING = 8;
/** Events that are read at a time for a connection with a low rate. */
const MIN_PAGE = 10;
const READ_RETRY_MS = 500;
/** Delayed readers are checked together, at most this often. */
const MIN_DELAY_MS = 20;

export interface ReadersParts extends ReplayParts, Pick<Core, 'report'> {
  readonly recentEvents: RecentEvents;
  /** The log in Redis, for connections that are behind the recent events. */
  readonly pages: LogPages;
  /** The right to deliver (C6). */
  readonly mayDeliver: () => boolean;
  /** The reader has reached the position of the cohorts and joins its cohort, within the same turn. */
  readonly onCaughtUp: (member: Member) => void;
}

/**
 * Connections at another position than their cohort: they came back with a position, were suspended, or were too slow.
 * Each has a position of its own and is served individually, from the recent events or the log, until it has caught up (L5).
 */
export class Readers {
  private readonly parts: ReadersParts;
  private readonly replay: Replay;
  private readonly all = new Map<Member, Reader>();
  /** To be served, in turn. */
  private readonly queue = new Set<Reader>();
  /** Their position, from another node, is ahead of this node: they wait until this node reaches it. */
  private readonly ahead = new Set<Reader>();
  /** Served individually, and caught up: they go on with the next event. */
  private readonly idle = new Set<Reader>();
  /** Delayed: each is served no earlier than its own time. */
  private readonly delayed = new Set<Reader>();
  private readonly pageReads = new Semaphore<Reader>(MAX_READING);
  private readonly pace = new ReplayPace();
  private scheduled: NodeJS.Immediate | null = null;
  private timer: NodeJS.Timeout | null = null;
  private timerAt = 0;
  /** When the right to deliver was checked for what is served now (C6). */
  private checkedAt = 0;
  private stopped = false;

  constructor(parts: ReadersParts) {
    this.parts = parts;
    this.replay = new Replay(parts);
  }

  get counts(): Replay['counts'] {
    return this.replay.counts;
  }

  get size(): number {
    return this.all.size;
  }

  /** Of what was read from the log and waits to be written, about. */
  get keptBytes(): number {
    let sum = 0;
    for (const { page } of this.all.values()) for (const { bytes } of page ?? []) sum += bytes;
    return sum;
  }

  has(member: Member): boolean {
    return this.all.has(member);
  }

  /** Undefined when the connection is no reader. */
  positionOf(member: Member): LogPosition | undefined {
    return this.all.get(member)?.position;
  }

  members(): Iterable<Member> {
    return this.all.keys();
  }

  /** @param position all that concerns it up to here was written, or is to be left out. */
  add(member: Member, position: LogPosition): void {
    this.remove(member);
    const { offset, tag } = this.parts.position();
    const notBefore = this.pace.take(member.userId, offset - position.offset, this.parts.clock.mono());
    const reader: Reader = {
      member,
      position,
      entered: { offset, tag },
      doubted: false,
      reading: false,
      page: null,
      notBefore,
    };
    this.all.set(member, reader);
    this.enqueue(reader);
  }

  remove(member: Member): void {
    const reader = this.all.get(member);
    if (!reader) return;
    this.all.delete(member);
    this.queue.delete(reader);
    this.ahead.delete(reader);
    this.idle.delete(reader);
    this.delayed.delete(reader);
    this.pageReads.forget(reader);
  }

  /** Its socket emptied. */
  wake(member: Member): void {
    const reader = this.all.get(member);
    if (reader) this.enqueue(reader);
  }

  /** Delivery goes on after an interruption. */
  wakeAll(): void {
    this.pageReads.forgetAll();
    for (const reader of this.all.values()) this.enqueue(reader);
  }

  /** The cohorts moved on. */
  moved(): void {
    for (const reader of this.idle) this.enqueue(reader);
    this.idle.clear();
    for (const reader of this.ahead) {
      if (reader.position.offset > this.parts.position().offset) continue;
      this.ahead.delete(reader);
      this.enqueue(reader);
    }
  }

  /**
   * The head of the log, each second. A position ahead of this node that the log does not reach in two readings is of entries that
   * are lost (L1): waiting for it would leave out what took their place.
   */
  checkAhead(head: LogHead): void {
    for (const reader of [...this.ahead]) {
      const lost = head.epoch === this.parts.position().epoch && head.offset < reader.position.offset;
      if (lost && reader.doubted && this.parts.mayDeliver()) this.lost(reader);
      else reader.doubted = lost;
    }
  }

  /** The log was replaced: every reader takes the position of the cohorts. The caller has notified the clients. */
  reset(): void {
    this.parts.pages.clear();
    for (const member of [...this.all.keys()]) {
      this.remove(member);
      this.parts.onCaughtUp(member);
    }
  }

  stop(): void {
    this.stopped = true;
    if (this.scheduled) clearImmediate(this.scheduled);
    if (this.timer) clearTimeout(this.timer);
    this.queue.clear();
  }

  private enqueue(reader: Reader): void {
    if (this.stopped || this.pageReads.waits(reader)) return;
    const wait = reader.notBefore - this.parts.clock.mono();
    if (wait > 0) {
      this.delayed.add(reader);
      this.later(wait);
      return;
    }
    this.delayed.delete(reader);
    this.queue.add(reader);
    this.scheduled ??= setImmediate(() => this.serve());
  }

  private later(ms: number): void {
    const at = this.parts.clock.mono() + ms;
    if (this.timer && this.timerAt <= at) return;
    if (this.timer) clearTimeout(this.timer);
    this.timerAt = at;
    this.timer = setTimeout(
      () => {
        this.timer = null;
        for (const reader of [...this.delayed]) this.enqueue(reader);
      },
      Math.max(MIN_DELAY_MS, Math.ceil(ms)),
    );
  }

  private serve(): void {
    this.scheduled = null;
    // Not lost: `wakeAll` follows when this node serves again.
    if (!this.parts.mayDeliver()) return;
    this.checkedAt = this.parts.clock.mono();
    const until = this.checkedAt + TURN_MS;
    for (const reader of this.queue) {
      this.queue.delete(reader);
      this.step(reader);
      if (this.parts.clock.mono() >= until) break;
    }
    for (const next of this.pageReads.offer()) this.enqueue(next);
    if (this.queue.size > 0) this.scheduled ??= setImmediate(() => this.serve());
  }

  private step(reader: Reader): void {
    const { member } = reader;
    // A page that is on its way is checked by the position that it was asked for.
    if (this.all.get(member) !== reader || reader.reading) return;
    // `wake` follows when it emptied. What was read for it is read again: nothing is kept for a slow one.
    if (member.isCongested()) {
      reader.page = null;
      return;
    }
    const { recentEvents } = this.parts;
    const position = this.parts.position();
    if (this.contradicts(reader.position, position)) {
      this.lost(reader);
      return;
    }
    const { page } = reader;
    if (page !== null) {
      reader.page = null;
      this.replay.write(reader, page, true, this.checkedAt);
    } else if (reader.position.offset < position.offset) {
      if (!recentEvents.covers(reader.position.offset)) {
        this.read(reader);
        return;
      }
      this.replay.write(reader, this.fromRecentEvents(reader.position.offset, position.offset), false, this.checkedAt);
    }
    if (this.all.get(member) !== reader) return;
    if (reader.position.offset === position.offset && reader.page === null) {
      if (member.individual !== null) {
        this.idle.add(reader);
        return;
      }
      this.all.delete(member);
      this.parts.onCaughtUp(member);
    } else if (reader.position.offset > position.offset) {
      this.ahead.add(reader);
    } else {
      this.enqueue(reader);
    }
  }

  /** The same offset with another tag: its entry is lost, and this is another (L1). */
  private contradicts({ offset, tag }: LogPosition, position: LogHead): boolean {
    const here = offset === position.offset ? position.tag : this.parts.recentEvents.get(offset)?.tag;
    // '' is a tag that is not known: the entry before a hole.
    return here !== undefined && here !== '' && tag !== '' && here !== tag;
  }

  /** What it was ahead by is lost, and others have taken the place: all since it came may be new to it. */
  private lost(reader: Reader): void {
    this.ahead.delete(reader);
    reader.doubted = false;
    reader.page = null;
    this.replay.skip(reader, reader.entered, { ...reader.entered, epoch: this.parts.position().epoch }, 'log_reset');
    this.enqueue(reader);
  }

  private *fromRecentEvents(after: number, to: number): Iterable<Entry> {
    for (let offset = after + 1; offset <= to; offset += 1) {
      const entry = this.parts.recentEvents.get(offset);
      if (!entry) return;
      yield entry;
    }
  }

  private read(reader: Reader): void {
    if (!this.pageReads.take(reader)) return;
    this.readPage(reader)
      .catch((error: unknown) => {
        this.parts.report(error, 'fanout.replay');
        if (this.all.get(reader.member) !== reader) return;
        reader.notBefore = this.parts.clock.mono() + READ_RETRY_MS;
        this.enqueue(reader);
      })
      .finally(() => {
        this.pageReads.giveBack();
        for (const next of this.pageReads.offer()) this.enqueue(next);
      });
  }

  private async readPage(reader: Reader): Promise<void> {
    const { pages, position, mayDeliver } = this.parts;
    const { epoch, offset: to } = position();
    const from = reader.position;
    reader.reading = true;
    // One that its rate holds back keeps what it read for long: a second's worth, or a few of them would hold all of the log.
    const rate = reader.member.individual?.limit?.rate;
    const count = rate === undefined ? undefined : Math.max(MIN_PAGE, rate);
    const entries = await pages.after(from.offset, to, count).finally(() => {
      reader.reading = false;
    });
    // It left, or the log was replaced, meanwhile.
    if (this.all.get(reader.member) !== reader || position().epoch !== epoch) return;
    // Not lost: `wakeAll` follows when this node serves again.
    if (!mayDeliver()) return;
    const [first] = entries;
    if (first !== undefined) {
      if (first.offset > from.offset + 1) {
        this.replay.skip(reader, { offset: first.offset - 1, tag: '' }, { ...first, epoch }, 'trimmed');
      }
      reader.page = entries;
    } else if (position().offset === to) {
      // The head itself is gone by age: there is nothing between.
      this.replay.skip(reader, position(), position(), 'trimmed');
    }
    // Nothing, and the cohorts moved on meanwhile: what they were given is read for again.
    this.enqueue(reader);
  }
}
