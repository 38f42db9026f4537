import type { Cohort, Cohorts, Member } from '../broadcast/cohorts.js';
import type { Readers, ReadersParts } from '../broadcast/readers.js';
import { messageFrame } from '../frames/frame.js';
import { admits, type Clearance, hiddenFields } from '../selection/clearances.js';
import { isRecipient } from '../selection/isRecipient.js';
import { type Ephemeral, type EphemeralItem, frameOfItem } from './ephemeral.js';

export interface EphemeralDeliveryParts
  extends Pick<ReadersParts, 'catalogue' | 'clock' | 'compression' | 'mayDeliver'> {
  readonly ephemeral: Ephemeral;
  readonly cohorts: Cohorts;
  readonly readers: Readers;
  /** The connections of a user on this node. */
  readonly ofUser: (userId: string) => Iterable<Member>;
}

/** A connection that could not take what was meant for it. Two numbers, however much it missed. */
interface Behind {
  /** All up to here was written to it, or is to be left out. */
  seq: number;
  /** Events for it since then, the latest values among them. */
  missed: number;
  /** Monotonic ms; Infinity: when its socket empties. */
  notBefore: number;
}

/** Latest values written to one connection at a time, bytes: as much as a peer that reads takes at once. */
const TURN_BYTES = 64 * 1024;

/**
 * Brings ephemeral events to the connections: with the flush of their cohorts, or one by one. One that is congested, or over its message
 * rate, gets the latest value of each key when it can take it, and is told how many it missed (`rate_limited`).
 */
export class EphemeralDelivery {
  readonly counts = {
    /** Events times connections. */
    delivered: 0,
    /** Events times connections that were congested or over their rate: replaced by later values, or dropped. */
    withheld: 0,
    /** Targeted events whose user is not connected here: the user moved or closed. */
    missed: 0,
    /** Messages `rate_limited`. */
    notices: 0,
  };
  private readonly parts: EphemeralDeliveryParts;
  private readonly behind = new Map<Member, Behind>();
  /** Members that are notified of their limit when a second has passed. */
  private readonly unreported = new Set<Member>();
  private timer: NodeJS.Timeout | null = null;
  private timerAt = 0;

  constructor(parts: EphemeralDeliveryParts) {
    this.parts = parts;
  }

  /** Connections that could not take what was meant for them. */
  get size(): number {
    return this.behind.size;
  }

  /** Appends the broadcast ones to the run of each cohort that is to have them, after what is durable. */
  build(items: readonly EphemeralItem[], touched: Set<Cohort>): void {
    const { compression } = this.parts;
    const catalogue = this.parts.catalogue();
    for (const item of items) {
      const definition = catalogue.get(item.event.type);
      if (item.user !== null || !definition) continue;
      for (const cohort of this.parts.cohorts.subscribedTo(item.event.type)) {
        if (!admits(cohort.clearance, item.event, definition)) continue;
        const hidden = hiddenFields(cohort.clearance, definition);
        cohort.run.push(frameOfItem(item, hidden, cohort.compress ? compression : null, cohort.shape));
        touched.add(cohort);
      }
    }
  }

  /** Delivers broadcast events to members outside any cohort. */
  toReaders(items: readonly EphemeralItem[]): void {
    if (items.length === 0) return;
    const broadcast = items.filter(({ user }) => user === null);
    if (broadcast.length === 0) return;
    for (const member of [...this.parts.readers.members()]) this.offer(broadcast, member);
  }

  /** Delivers targeted events to their users. */
  toUsers(items: readonly EphemeralItem[]): void {
    const { cohorts, readers } = this.parts;
    for (const item of items) {
      if (item.user === null) continue;
      let found = false;
      for (const member of this.parts.ofUser(item.user)) {
        // Suspended, or not established: nothing is delivered to it.
        if (!cohorts.has(member) && !readers.has(member)) continue;
        found = true;
        this.offer([item], member);
      }
      if (!found) this.counts.missed += 1;
    }
  }

  /** Its socket emptied, or its rate allows more: the latest values of what it missed. */
  catchUp(member: Member): void {
    const behind = this.behind.get(member);
    if (!behind) return;
    if (!this.parts.mayDeliver()) {
      this.behind.delete(member);
      this.counts.withheld += behind.missed;
      return;
    }
    if (member.isCongested()) {
      behind.notBefore = Number.POSITIVE_INFINITY;
      return;
    }
    const { ephemeral, clock } = this.parts;
    const now = clock.mono();
    const latest = this.wanted(ephemeral.since(behind.seq, member.userId), member);
    const taken = this.write(latest, member, now);
    behind.missed -= taken;
    behind.seq = taken < latest.length ? (latest[taken] as EphemeralItem).seq - 1 : ephemeral.seq;
    if (taken < latest.length) {
      this.wait(member, behind, now);
      return;
    }
    this.behind.delete(member);
    this.tellMissed(member, Math.max(0, behind.missed));
  }

  /** The member's message rate holds events back: the client is notified, at most once a second. */
  notify(member: Member): void {
    const limit = member.individual?.limit;
    if (!limit || !this.parts.mayDeliver()) return;
    const { clock } = this.parts;
    const now = clock.mono();
    const notice = limit.notice(now);
    if (notice) {
      this.unreported.delete(member);
      this.tell(member, notice);
      return;
    }
    const { noticeAt } = limit;
    if (noticeAt === null) return;
    this.unreported.add(member);
    this.arm(noticeAt, now);
  }

  /** Stops delivery to the member. */
  forget(member: Member): void {
    this.behind.delete(member);
    this.unreported.delete(member);
  }

  stop(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.behind.clear();
    this.unreported.clear();
  }

  private wanted(items: readonly EphemeralItem[], member: Member): EphemeralItem[] {
    const catalogue = this.parts.catalogue();
    return items.filter(({ event }) => {
      const definition = catalogue.get(event.type);
      return definition !== undefined && isRecipient(member, event, definition);
    });
  }

  private offer(items: readonly EphemeralItem[], member: Member): void {
    const wanted = this.wanted(items, member);
    const [first] = wanted;
    if (!first) return;
    const known = this.behind.get(member);
    if (known) {
      known.missed += wanted.length;
      return;
    }
    const now = this.parts.clock.mono();
    const congested = member.isCongested();
    const taken = congested ? 0 : this.write(wanted, member, now);
    const next = wanted[taken];
    if (!next) return;
    const behind = { seq: next.seq - 1, missed: wanted.length - taken, notBefore: Number.POSITIVE_INFINITY };
    this.behind.set(member, behind);
    if (!congested) this.wait(member, behind, now);
  }

  /** Writes as many as fit into a turn and the member's rate. Returns how many. */
  private write(items: readonly EphemeralItem[], member: Member, now: number): number {
    const catalogue = this.parts.catalogue();
    const { individual } = member;
    const compression = member.compress ? this.parts.compression : null;
    const frames: Buffer[] = [];
    let bytes = 0;
    for (const item of items) {
      const definition = catalogue.get(item.event.type);
      if (!definition || bytes >= TURN_BYTES || individual?.limit?.take(now) === false) break;
      const hidden = hiddenFields(member.clearance as Clearance, definition);
      const frame = frameOfItem(item, hidden, compression, member.shape);
      frames.push(frame);
      bytes += frame.length;
    }
    if (individual?.batch === false) for (const frame of frames) member.write(frame);
    else if (frames.length > 0)
      member.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames, bytes));
    this.counts.delivered += frames.length;
    return frames.length;
  }

  /** It could take no more just now. */
  private wait(member: Member, behind: Behind, now: number): void {
    const limit = member.individual?.limit;
    behind.notBefore = now + (limit?.retryAfterMs(now) ?? 0);
    this.arm(behind.notBefore, now);
    this.notify(member);
  }

  private tellMissed(member: Member, missed: number): void {
    this.counts.withheld += missed;
    const limit = member.individual?.limit;
    if (limit) {
      if (missed > 0) limit.drop(missed);
      this.notify(member);
    } else if (missed > 0) {
      this.tell(member, { retry_after_ms: 0, dropped: missed });
    }
  }

  private tell(member: Member, notice: { readonly retry_after_ms: number; readonly dropped: number }): void {
    if (member.shape) return;
    this.counts.notices += 1;
    member.write(messageFrame('rate_limited', notice, new Date(this.parts.clock.now()).toISOString()));
  }

  /** One timer for all. */
  private arm(at: number, now: number): void {
    if (this.timer && this.timerAt <= at) return;
    if (this.timer) clearTimeout(this.timer);
    this.timerAt = at;
    this.timer = setTimeout(() => this.tick(), Math.max(1, Math.ceil(at - now)));
  }

  private tick(): void {
    this.timer = null;
    const now = this.parts.clock.mono();
    for (const member of [...this.unreported]) {
      this.unreported.delete(member);
      this.notify(member);
    }
    for (const [member, { notBefore }] of [...this.behind]) {
      if (notBefore <= now) this.catchUp(member);
      else if (notBefore !== Number.POSITIVE_INFINITY) this.arm(notBefore, now);
    }
  }
}
