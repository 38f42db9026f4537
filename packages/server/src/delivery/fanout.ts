import type { EventCatalogue } from '../events/catalogue/eventCatalogue.js';
import type { BroadcastBatch, LogHead } from '../events/log/broadcastLog.js';
import type { Settings } from '../settings/settings.js';
import type { Clock } from '../util/clock.js';
import { type Cohort, Cohorts, type Member } from './broadcast/cohorts.js';
import { formatLogPosition, type LogPosition } from './broadcast/logPosition.js';
import { Readers, type ReadersParts } from './broadcast/readers.js';
import { type Entry, frameOf, RecentEvents } from './broadcast/recentEvents.js';
import { WriteTimes } from './broadcast/writeTimes.js';
import { Ephemeral } from './ephemeral/ephemeral.js';
import { EphemeralDelivery, type EphemeralDeliveryParts } from './ephemeral/ephemeralDelivery.js';
import { heartbeatFrame, messageFrame } from './frames/frame.js';
import { admits, hiddenFields } from './selection/clearances.js';
import { excludedUsers } from './selection/excludedUsers.js';
import type { TypeSets } from './selection/typeSets.js';

/**
 * After a flush the next one waits as long as that one took, at most this long, milliseconds. Else a node that works on
 * the queue as well flushes event by event, because the next job gets on only between two flushes: with 2,000 sockets
 * and 300 events a second it fell 2 s behind; with the pause p50 is 35 ms, and half of the event loop stays free.
 */
const MAX_PAUSE_MS = 20;

/** A position that moved without an event is announced after this long, milliseconds, or after a quarter of HISTORY_SIZE (L6). */
const TELL_AFTER_MS = 5000;

export interface FanoutParts
  extends Pick<ReadersParts, 'catalogue' | 'clock' | 'compression' | 'logger' | 'report' | 'pages' | 'mayDeliver'>,
    Pick<EphemeralDeliveryParts, 'ofUser'>,
    Pick<Settings, 'windowSize' | 'windowBytes' | 'historySize'> {
  readonly typeSets: TypeSets;
  readonly clusterTime: Pick<Clock, 'now'>;
}

/**
 * Delivers the broadcast log to the local connections: all entries that came within a turn of the event loop become one buffer
 * per cohort, written once to each member's socket. `position` is the position of every cohort's members. A connection
 * joins between flushes, so that no event is sent twice or left out (L5). A connection at another position is a reader.
 */
export class Fanout {
  readonly cohorts = new Cohorts();
  readonly recentEvents: RecentEvents;
  readonly readers: Readers;
  /** Ephemeral events share the flushes and follow the durable events. */
  readonly ephemeral: Ephemeral;
  readonly ephemeralDelivery: EphemeralDelivery;
  /** Counters since the start, read by the metrics. */
  readonly counts = {
    events: 0,
    deliveries: 0,
    flushes: 0,
    writes: 0,
    bytes: 0,
    /** Events of a type that the catalogue of this node does not know. */
    unknown: 0,
    gaps: 0,
  };
  private readonly parts: FanoutParts;
  private pending: Entry[] = [];
  private scheduled: NodeJS.Immediate | null = null;
  private timer: NodeJS.Timeout | null = null;
  /** Monotonic ms: the last flush was long, so none begins by itself before this. */
  private pauseUntil = 0;
  private waiters: (() => void)[] = [];
  private delivered: LogHead = { epoch: '', offset: 0, tag: '' };
  private text: string | null = null;
  private readonly writeTimes = new WriteTimes();

  constructor(parts: FanoutParts) {
    this.parts = parts;
    this.recentEvents = new RecentEvents(parts.windowSize, parts.windowBytes);
    this.readers = new Readers({
      ...parts,
      recentEvents: this.recentEvents,
      position: () => this.delivered,
      onCaughtUp: (member) => this.settle(member),
      onLimited: (member) => this.ephemeralDelivery.notify(member),
    });
    this.ephemeral = new Ephemeral(parts, () => this.schedule());
    this.ephemeralDelivery = new EphemeralDelivery({
      ...parts,
      ephemeral: this.ephemeral,
      cohorts: this.cohorts,
      readers: this.readers,
    });
  }

  get catalogue(): EventCatalogue {
    return this.parts.catalogue();
  }

  get typeSets(): TypeSets {
    return this.parts.typeSets;
  }

  /** All that concerns the members up to here was written. */
  get position(): LogHead {
    return this.delivered;
  }

  /** `position` on the wire; null before the log was read. */
  get positionText(): string | null {
    return this.text;
  }

  /** The newest entry taken, delivered or not: the next one must follow it. */
  get tail(): LogHead {
    const last = this.pending.at(-1);
    return last ? { epoch: this.delivered.epoch, offset: last.offset, tag: last.tag } : this.delivered;
  }

  /** Takes entries that follow `tail` without a hole; they are delivered with the next flush, of this turn or after a pause. */
  take(entries: BroadcastBatch['entries'] | readonly Entry[]): void {
    for (const entry of entries) this.pending.push(entry);
    if (this.pending.length > 0) this.schedule();
  }

  /**
   * From now on the member is delivered to. Without a flush: what was taken and is not written yet lies after the position of the cohorts, and
   * comes with the next flush (L5).
   *
   * @param position the member's position; default: the position of the cohorts.
   */
  enter(member: Member, position?: LogPosition): void {
    if (position !== undefined && position.offset !== this.delivered.offset) this.readers.add(member, position);
    else this.settle(member);
  }

  /**
   * Its types, clearance or manner of service changed. What was taken before that is flushed if the member would not get all of it any more
   * (L5); else the next flush is for what it has now.
   */
  refit(member: Member): void {
    if (this.cohorts.wouldLack(member)) this.flush();
    if (this.cohorts.has(member)) this.settle(member);
    else this.readers.wake(member);
  }

  /** The member is delivered to no more. Returns its position; null when it was not delivered to. */
  leave(member: Member): LogHead | null {
    this.ephemeralDelivery.forget(member);
    const { epoch } = this.delivered;
    const position = this.readers.positionOf(member);
    if (position) {
      this.readers.remove(member);
      return { epoch, offset: position.offset, tag: position.tag };
    }
    if (!this.cohorts.has(member)) return null;
    this.cohorts.leave(member);
    return this.delivered;
  }

  /** Its socket emptied: what it missed is due. */
  onWritable(member: Member): void {
    this.readers.wake(member);
    this.ephemeralDelivery.catchUp(member);
  }

  /** The member closed: nothing more is written to it, what is pending neither. */
  drop(member: Member): void {
    this.ephemeralDelivery.forget(member);
    this.cohorts.leave(member);
    this.readers.remove(member);
  }

  /** The position of a member on the wire: all that concerns it up to here was written. Null when unknown. */
  memberPositionText(member: Member): string | null {
    const position = this.readers.positionOf(member);
    return position ? formatLogPosition(this.delivered.epoch, position) : this.text;
  }

  /** Events of the log that were written to the member after that cluster time, ms, as far as the recent events tell. */
  writtenSince(member: Member, since: number): number {
    const position = this.readers.positionOf(member) ?? (this.cohorts.has(member) ? this.delivered : null);
    return position === null
      ? 0
      : this.writeTimes.eventsOf(member, since, position, this.recentEvents, this.parts.catalogue());
  }

  /** Jumps: the log before `head` is not, or cannot be, delivered to the cohorts. */
  moveTo(head: LogHead): void {
    this.pending = [];
    this.delivered = head;
    // The recent events before a jump do not connect to those after it: a connection that is behind reads the log.
    if (this.recentEvents.newest !== head.offset) this.recentEvents.clear();
    // The entry before a trimmed hole is gone, and its tag with it: the text follows with the next delivery.
    const text = formatLogPosition(head.epoch, head);
    if (text !== null) this.text = text;
    this.readers.moved();
  }

  /** The log is another one (L1): every position of the old one is worth nothing. The caller announces it. */
  restartAt(head: LogHead): void {
    this.recentEvents.clear();
    this.writeTimes.clear();
    this.moveTo(head);
    // The caller notifies the clients. Offsets start again: compared with the old ones, no position would be announced for a long time (L6).
    const now = this.parts.clock.mono();
    for (const cohort of this.cohorts.each()) {
      cohort.reportedOffset = head.offset;
      cohort.reportedAt = now;
    }
    this.readers.reset();
  }

  /** Forgets what was taken and not delivered; it is read from the log when this node may deliver again. */
  discard(): void {
    this.pending = [];
    this.ephemeral.discard();
    this.resolveWaiters();
  }

  /** Resolves when what was taken so far is delivered or discarded. */
  async flushed(): Promise<void> {
    if (this.pending.length === 0) return;
    await new Promise<void>((resolve) => {
      this.waiters.push(resolve);
    });
  }

  /** Delivers what is pending. Also called before a connection loses event types that it had (L5). */
  flush(): void {
    this.unschedule();
    if (this.pending.length === 0 && !this.ephemeral.due) return;
    if (!this.parts.mayDeliver()) {
      this.discard();
      return;
    }
    const { clock } = this.parts;
    const startedAt = clock.mono();
    const entries = this.pending;
    this.pending = [];
    const items = this.ephemeral.takeAll(startedAt);
    const touched = this.build(entries, startedAt);
    this.ephemeralDelivery.build(items, touched);
    const excluded = excludedUsers([...entries, ...items]);
    const traced = this.parts.logger.isLevelEnabled('trace') ? [] : null;
    const last = entries.at(-1);
    for (const cohort of touched) {
      const frames = cohort.run.length === 1 ? (cohort.run[0] as Buffer) : Buffer.concat(cohort.run);
      this.deliver(cohort, frames, excluded, traced);
      cohort.run.length = 0;
    }
    if (last) this.writeTimes.add(this.parts.clusterTime.now(), this.delivered.offset);
    for (const entry of entries) this.recentEvents.push(entry);
    if (last) this.moveTo({ epoch: this.delivered.epoch, offset: last.offset, tag: last.tag });
    // Readers too, including the connections that became readers in this flush.
    this.ephemeralDelivery.toReaders(items);
    this.ephemeralDelivery.toUsers(items);
    this.counts.events += entries.length;
    this.counts.flushes += 1;
    const endedAt = clock.mono();
    this.pauseUntil = endedAt + Math.min(MAX_PAUSE_MS, endedAt - startedAt);
    // When the right to deliver was checked (C6): a process may be stopped in the middle of its writes, and nothing can prevent that.
    if (traced && traced.length > 0) this.parts.logger.trace({ mono: startedAt, conns: traced }, 'flush');
    this.resolveWaiters();
  }

  /**
   * Writes a message that is no event to everybody, after what is pending. Without the right to deliver too: positions have moved, and
   * a loss that is not told now is not told at all. Clients that are sent frames of another shape know no positions, and no such message.
   */
  announce(type: string, data: unknown): void {
    this.announceToCohorts(type, data);
    const frame = this.message(type, data);
    for (const member of [...this.readers.members()]) if (!member.shape) member.write(frame);
  }

  /** As `announce`, but only to the connections at `position`. */
  announceToCohorts(type: string, data: unknown): void {
    this.flush();
    const frame = this.message(type, data);
    for (const member of [...this.cohorts.everyone()]) if (!member.shape) member.write(frame);
  }

  /**
   * Sends the position to connections that had no event for long while the log grew: the position of a client that receives
   * few events must not age out of the log (L6). Call it every second.
   */
  reportPositions(): void {
    this.flush();
    if (!this.parts.mayDeliver() || this.text === null) return;
    const now = this.parts.clock.mono();
    const { offset } = this.delivered;
    let frames: Buffer[] | null = null;
    for (const cohort of this.cohorts.each()) {
      if (cohort.shape) continue;
      const ahead = offset - cohort.reportedOffset;
      if (ahead <= 0 || (now - cohort.reportedAt < TELL_AFTER_MS && ahead < this.parts.historySize / 4)) continue;
      frames ??= [false, true].map((healthy) => heartbeatFrame(this.parts.clock.now(), this.text, null, healthy));
      const [unwell, well] = frames as [Buffer, Buffer];
      for (const member of [...cohort.members]) {
        if (!member.isCongested()) member.write(member.isHealthy() ? well : unwell);
      }
      cohort.reportedOffset = offset;
      cohort.reportedAt = now;
    }
  }

  stop(): void {
    this.unschedule();
    this.ephemeralDelivery.stop();
    this.readers.stop();
    this.discard();
  }

  private resolveWaiters(): void {
    const { waiters } = this;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }

  private schedule(): void {
    if (this.scheduled || this.timer) return;
    const pause = this.pauseUntil - this.parts.clock.mono();
    // Timers have steps of a millisecond: a shorter pause is none.
    if (pause < 1) this.scheduled = setImmediate(() => this.flush());
    else this.timer = setTimeout(() => this.flush(), pause);
  }

  private unschedule(): void {
    if (this.scheduled) clearImmediate(this.scheduled);
    if (this.timer) clearTimeout(this.timer);
    this.scheduled = null;
    this.timer = null;
  }

  /** To the cohort of its types, clearance and compression, or served individually for good. */
  private settle(member: Member): void {
    const { delivered: types, clearance } = member;
    if (types === null || clearance === null) throw new Error('a member without types and clearance');
    this.cohorts.leave(member);
    if (member.individual !== null) {
      if (!this.readers.has(member)) this.readers.add(member, this.delivered);
      return;
    }
    const cohort = this.cohorts.join(member, types, clearance, member.compress);
    // The first member of a new cohort was sent the position when it joined.
    if (cohort.reportedAt === 0) {
      cohort.reportedOffset = this.delivered.offset;
      cohort.reportedAt = this.parts.clock.mono();
    }
  }

  private message(type: string, data: unknown): Buffer {
    return messageFrame(type, data, new Date(this.parts.clock.now()).toISOString());
  }

  /** Appends each event's frame to the run of every cohort that receives the event. */
  private build(entries: readonly Entry[], now: number): Set<Cohort> {
    const touched = new Set<Cohort>();
    const catalogue = this.parts.catalogue();
    const { compression } = this.parts;
    const { epoch } = this.delivered;
    for (const entry of entries) {
      const definition = catalogue.get(entry.event.type);
      if (!definition) {
        this.counts.unknown += 1;
        continue;
      }
      for (const cohort of this.cohorts.subscribedTo(entry.event.type)) {
        if (!admits(cohort.clearance, entry.event, definition)) continue;
        cohort.reportedOffset = entry.offset;
        cohort.reportedAt = now;
        const hidden = hiddenFields(cohort.clearance, definition);
        cohort.run.push(frameOf(entry, hidden, epoch, cohort.compress ? compression : null, cohort.shape));
        touched.add(cohort);
      }
    }
    return touched;
  }

  /** One write to each member. A member that is behind, or that an event excludes, becomes a reader at the position before this flush. */
  private deliver(cohort: Cohort, frames: Buffer, excluded: ReadonlySet<string> | null, traced: string[] | null): void {
    let aside: Member[] | null = null;
    let written = 0;
    for (const member of cohort.members) {
      if (member.isCongested() || excluded?.has(member.userId)) {
        aside ??= [];
        aside.push(member);
        continue;
      }
      member.write(frames);
      written += 1;
      traced?.push(member.id);
    }
    this.counts.deliveries += cohort.run.length * written;
    this.counts.writes += written;
    this.counts.bytes += frames.length * written;
    for (const member of aside ?? []) {
      this.cohorts.leave(member);
      this.readers.add(member, this.delivered);
    }
  }
}
