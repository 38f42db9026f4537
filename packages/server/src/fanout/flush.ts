import { formatPosition } from '@unified-ws/protocol';
import type { Clock } from '../clock.js';
import type { EventCatalogue } from '../events/catalogue.js';
import type { BroadcastBatch, LogEntry, LogHead } from '../events/log.js';
import type { StoredEvent } from '../events/storedEvent.js';
import type { Logger } from '../observability/logger.js';
import { admits, hiddenFields } from './clearance.js';
import { type Cohort, Cohorts, type Member } from './cohort.js';
import { Ephemeral, type EphemeralItem } from './ephemeral.js';
import { EphemeralDelivery, type EphemeralReceiver } from './ephemeralDelivery.js';
import { eventFrame } from './eventFrame.js';
import { messageFrame } from './frame.js';

/**
 * After a flush the next one waits as long as that one took, at most this long, milliseconds. Else a node that works on
 * the queue as well flushes event by event, because the next job gets on only between two flushes: with 2,000 sockets
 * and 300 events a second it fell 2 s behind; with the rest p50 is 35 ms, and half of the event loop stays free.
 */
const MAX_REST_MS = 20;

export interface FanoutParts {
  readonly catalogue: () => EventCatalogue;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The right to deliver (C6), asked before each flush. */
  readonly mayDeliver: () => boolean;
  /** The connections of a user that are delivered to. */
  readonly ofUser: (userId: string) => Iterable<EphemeralReceiver>;
}

/** Counters since the start, read by the metrics. */
export interface FanoutCounts {
  events: number;
  deliveries: number;
  flushes: number;
  writes: number;
  bytes: number;
  /** Events of a type that the catalogue of this node does not know. */
  unknown: number;
  gaps: number;
}

/**
 * Delivers the broadcast log to the local connections: all entries that came within a turn of the event loop become one buffer
 * per cohort, written once to each member's socket (DESIGN §5). `position` is the cursor of every member: whoever joins does so
 * between flushes, so that nothing is sent twice and nothing is left out (L5).
 */
export class Fanout {
  readonly cohorts = new Cohorts();
  /** Delivered with the same flushes, after what is durable. */
  readonly ephemeral: Ephemeral;
  readonly ephemeralDelivery: EphemeralDelivery;
  readonly counts: FanoutCounts = { events: 0, deliveries: 0, flushes: 0, writes: 0, bytes: 0, unknown: 0, gaps: 0 };
  private readonly parts: FanoutParts;
  private pending: LogEntry[] = [];
  private scheduled: NodeJS.Immediate | null = null;
  private timer: NodeJS.Timeout | null = null;
  /** Monotonic ms: the last flush was long, so none begins by itself before this. */
  private restUntil = 0;
  private waiters: (() => void)[] = [];
  private delivered: LogHead = { epoch: '', offset: 0, tag: '' };
  private text: string | null = null;

  constructor(parts: FanoutParts) {
    this.parts = parts;
    const { catalogue, clock, ofUser } = parts;
    this.ephemeral = new Ephemeral({ catalogue, clock, wake: () => this.schedule() });
    this.ephemeralDelivery = new EphemeralDelivery({ catalogue, cohorts: this.cohorts, ofUser });
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

  /** Takes entries that follow `tail` without a hole; they are delivered with the next flush, of this turn or after a rest. */
  take(entries: BroadcastBatch['entries'] | readonly LogEntry[]): void {
    for (const entry of entries) this.pending.push(entry);
    if (this.pending.length > 0) this.schedule();
  }

  /** Jumps: the log before `head` is not, or cannot be, delivered. */
  moveTo(head: LogHead): void {
    this.pending = [];
    this.delivered = head;
    // The entry before a trimmed hole is gone, and its tag with it: the text follows with the next delivery.
    if (head.offset === 0 || head.tag !== '') this.text = formatPosition(head.epoch, head.offset, head.tag);
  }

  /** Forgets what was taken and not delivered; it is read from the log when this node may deliver again. */
  discard(): void {
    this.pending = [];
    this.ephemeral.discard();
    this.told();
  }

  /** Resolves when what was taken so far is delivered or discarded. */
  async flushed(): Promise<void> {
    if (this.pending.length === 0) return;
    await new Promise<void>((resolve) => {
      this.waiters.push(resolve);
    });
  }

  /** Delivers what is pending. Also called before anybody joins, leaves a cohort or is told the position (L5). */
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
    const items = this.ephemeral.drain(startedAt);
    const touched = this.build(entries);
    this.ephemeralDelivery.build(items, touched);
    const excluded = excludedUsers([...entries, ...items]);
    const traced = this.parts.logger.isLevelEnabled('trace') ? [] : null;
    for (const cohort of touched) {
      const frames = cohort.run.length === 1 ? (cohort.run[0] as Buffer) : Buffer.concat(cohort.run);
      this.counts.deliveries += cohort.run.length * cohort.members.size;
      this.deliver(cohort, frames, excluded, entries, items, traced);
      cohort.run.length = 0;
    }
    this.ephemeralDelivery.toUsers(items);
    const last = entries.at(-1);
    if (last) this.moveTo({ epoch: this.delivered.epoch, offset: last.offset, tag: last.tag });
    this.counts.events += entries.length;
    this.counts.flushes += 1;
    const endedAt = clock.mono();
    this.restUntil = endedAt + Math.min(MAX_REST_MS, endedAt - startedAt);
    if (traced && traced.length > 0) this.parts.logger.trace({ mono: endedAt, conns: traced }, 'flush');
    this.told();
  }

  /** Writes a message that is no event to every member, after what is pending. */
  announce(type: string, data: unknown): void {
    this.flush();
    if (!this.parts.mayDeliver()) return;
    const frame = messageFrame(type, data, new Date(this.parts.clock.now()).toISOString());
    for (const member of [...this.cohorts.everyone()]) member.write(frame);
  }

  stop(): void {
    this.unschedule();
    this.discard();
  }

  private told(): void {
    const { waiters } = this;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }

  private schedule(): void {
    if (this.scheduled || this.timer) return;
    const rest = this.restUntil - this.parts.clock.mono();
    // Timers have steps of a millisecond: a shorter rest is none.
    if (rest < 1) this.scheduled = setImmediate(() => this.flush());
    else this.timer = setTimeout(() => this.flush(), rest);
  }

  private unschedule(): void {
    if (this.scheduled) clearImmediate(this.scheduled);
    if (this.timer) clearTimeout(this.timer);
    this.scheduled = null;
    this.timer = null;
  }

  /** Appends each event's frame to the run of every cohort that is to have it. */
  private build(entries: readonly LogEntry[]): Set<Cohort> {
    const touched = new Set<Cohort>();
    const catalogue = this.parts.catalogue();
    for (const entry of entries) {
      const definition = catalogue.get(entry.event.type);
      if (!definition) {
        this.counts.unknown += 1;
        continue;
      }
      const frames = new Map<string, Buffer>();
      for (const cohort of this.cohorts.subscribedTo(entry.event.type)) {
        if (!admits(cohort.clearance, entry.event, definition)) continue;
        const hidden = hiddenFields(cohort.clearance, definition);
        let frame = frames.get(hidden);
        if (!frame) {
          frame = this.eventFrame(entry, hidden);
          frames.set(hidden, frame);
        }
        cohort.run.push(frame);
        touched.add(cohort);
      }
    }
    return touched;
  }

  private deliver(
    cohort: Cohort,
    frames: Buffer,
    excluded: ReadonlySet<string> | null,
    entries: readonly LogEntry[],
    items: readonly EphemeralItem[],
    traced: string[] | null,
  ): void {
    for (const member of cohort.members) {
      if (excluded?.has(member.userId)) {
        this.deliverSingly(cohort, member, entries, items);
        continue;
      }
      member.write(frames);
      this.counts.writes += 1;
      this.counts.bytes += frames.length;
      traced?.push(member.id);
    }
  }

  /** For a member that some event of the run excludes. */
  private deliverSingly(
    cohort: Cohort,
    member: Member,
    entries: readonly LogEntry[],
    items: readonly EphemeralItem[],
  ): void {
    const catalogue = this.parts.catalogue();
    for (const entry of entries) {
      const { event } = entry;
      const definition = catalogue.get(event.type);
      if (!definition || !cohort.types.set.has(event.type) || !admits(cohort.clearance, event, definition)) continue;
      if (event.exclude?.includes(member.userId)) {
        this.counts.deliveries -= 1;
        continue;
      }
      const frame = this.eventFrame(entry, hiddenFields(cohort.clearance, definition));
      member.write(frame);
      this.counts.writes += 1;
      this.counts.bytes += frame.length;
    }
    this.ephemeralDelivery.toOne(
      items.filter(({ user }) => user === null),
      member,
    );
  }

  private eventFrame(entry: LogEntry, hidden: string): Buffer {
    return eventFrame(entry, hidden, this.delivered.epoch, 'broadcast');
  }
}

function excludedUsers(entries: readonly { readonly event: StoredEvent }[]): ReadonlySet<string> | null {
  let users: Set<string> | null = null;
  for (const { event } of entries) {
    if (event.exclude === undefined || event.exclude.length === 0) continue;
    users ??= new Set();
    for (const user of event.exclude) users.add(user);
  }
  return users;
}
