import { Bytes, type Layout, offsetsOf } from './layout.js';
import { FAULTS } from './vocabulary.js';

/** Offsets that a log can reach: every event once, and one of them twice. */
export const MAX_OFFSET = 6;
/** Appends that a state can tell apart. */
export const TAGS = 8;
const MAX_EPOCH = 3;

/**
 * A position is one byte: 0 none, 1–8 the entry of that tag, from START on the beginning of an epoch (0: of a log that is not
 * there). A tag names one append, so it gives epoch and offset as well; the server compares what the rules let it compare.
 */
export const START = 16;
/** The position of an entry that nothing knows any more. */
export const FORGOTTEN = 31;

/** What Redis holds, and a replica copies. */
const STORED = {
  /** 0 while there is no log. */
  epoch: [1, 2],
  head: [1, 3],
  /** Lowest offset that is there; head + 1 when none is. */
  first: [1, 3],
  acked: [1, 3],
  /** Tag by offset, also of what was trimmed: the reader asks `first`. */
  timeline: [MAX_OFFSET, 4],
  /** Bit per event. */
  seen: [1, 4],
  /** The user's current connection, or 3. */
  owner: [1, 2],
  /** 1 + the connection that claimed last; it stays when that one is released. */
  fence: [1, 2],
  /** The event that the queue works on; one more than there are: empty. */
  job: [1, 3],
} as const satisfies Layout;

const STORED_BYTES = Object.values(STORED).reduce((sum, [count]) => sum + count, 0);

export const EVENT_LAYOUT = {
  ...STORED,
  /** A replica fell behind: its copy. */
  lags: [1, 1],
  copy: [STORED_BYTES, 4],
  /** Epochs given so far. */
  epochs: [1, 2],
  /** Per tag: its event (0: free), epoch, offset, and the position before it. */
  event: [TAGS, 3],
  epochOf: [TAGS, 2],
  offsetOf: [TAGS, 3],
  prevOf: [TAGS, 5],
  /** Per SDK instance: the newest position it holds, and a bit per event that it received, was told of, may receive again. */
  position: [2, 5],
  got: [2, 4],
  reported: [2, 4],
  again: [2, 4],
  /** Bit per event that some instance received or was told of. */
  ever: [1, 4],
  /** Redis lost something. */
  forgot: [1, 1],
  /** A message of the bus was lost. */
  lossy: [1, 1],
  /** 1 + the invariant that was broken. */
  flaw: [1, 3],
  budget: [FAULTS.length, 2],
} as const satisfies Layout;

const AT = offsetsOf(EVENT_LAYOUT);
const COPY = AT.copy;

/** Names over the bytes that both models share: a log in Redis, its entries, and the SDK's side of it. */
export class EventState extends Bytes {
  get epoch(): number {
    return this.get(AT.epoch);
  }
  set epoch(epoch: number) {
    this.set(AT.epoch, epoch);
  }
  get head(): number {
    return this.get(AT.head);
  }
  set head(offset: number) {
    this.set(AT.head, offset);
  }
  get first(): number {
    return this.get(AT.first);
  }
  set first(offset: number) {
    this.set(AT.first, offset);
  }
  get acked(): number {
    return this.get(AT.acked);
  }
  set acked(offset: number) {
    this.set(AT.acked, offset);
  }
  get seen(): number {
    return this.get(AT.seen);
  }
  set seen(events: number) {
    this.set(AT.seen, events);
  }
  get owner(): number {
    return this.get(AT.owner);
  }
  set owner(c: number) {
    this.set(AT.owner, c);
  }
  get fence(): number {
    return this.get(AT.fence);
  }
  set fence(fence: number) {
    this.set(AT.fence, fence);
  }
  get job(): number {
    return this.get(AT.job);
  }
  set job(event: number) {
    this.set(AT.job, event);
  }
  /** Of the entry at an offset ≥ 1. */
  tagAt(offset: number): number {
    return this.get(AT.timeline + offset - 1);
  }
  setTagAt(offset: number, tag: number): void {
    this.set(AT.timeline + offset - 1, tag);
  }
  /** The position of an offset in the log as it is. */
  at(offset: number): number {
    return offset === 0 ? START + this.epoch : this.tagAt(offset);
  }

  eventOf(tag: number): number {
    return this.get(AT.event + tag - 1);
  }
  prevOf(tag: number): number {
    return this.get(AT.prevOf + tag - 1);
  }
  setPrevOf(tag: number, position: number): void {
    this.set(AT.prevOf + tag - 1, position);
  }
  /** Of a position. */
  offsetOf(position: number): number {
    return position === 0 || position >= START ? 0 : this.get(AT.offsetOf + position - 1);
  }
  epochOf(position: number): number {
    if (position >= START) return position - START;
    return position === 0 ? 0 : this.get(AT.epochOf + position - 1);
  }
  /** A tag that is free, with these facts; 0 when there is none. */
  newTag(event: number, epoch: number, offset: number, prev: number): number {
    for (let tag = 1; tag <= TAGS; tag += 1) {
      if (this.eventOf(tag) !== 0) continue;
      this.setFacts(tag, event, epoch, offset, prev);
      return tag;
    }
    return 0;
  }
  setFacts(tag: number, event: number, epoch: number, offset: number, prev: number): void {
    this.set(AT.event + tag - 1, event);
    this.set(AT.epochOf + tag - 1, epoch);
    this.set(AT.offsetOf + tag - 1, offset);
    this.set(AT.prevOf + tag - 1, prev);
  }
  /** A number that no log had before; 0 when the model has no more. */
  newEpoch(): number {
    const epoch = this.get(AT.epochs) + 1;
    if (epoch > MAX_EPOCH) return 0;
    this.set(AT.epochs, epoch);
    return epoch;
  }

  get lags(): boolean {
    return this.is(AT.lags);
  }
  /** The replica stops here. */
  copyLog(): void {
    this.set(AT.lags, 1);
    this.bytes.copyWithin(COPY, 0, STORED_BYTES);
  }
  /** The replica takes over with what it has. */
  restoreLog(): void {
    this.bytes.copyWithin(0, COPY, COPY + STORED_BYTES);
    this.forgetCopy();
  }
  forgetCopy(): void {
    this.bytes.fill(0, AT.lags, COPY + STORED_BYTES);
  }
  clearLog(): void {
    this.bytes.fill(0, 0, STORED_BYTES);
    this.first = 1;
  }

  position(client: number): number {
    return this.get(AT.position + client);
  }
  setPosition(client: number, position: number): void {
    this.set(AT.position + client, position);
  }
  got(client: number): number {
    return this.get(AT.got + client);
  }
  setGot(client: number, events: number): void {
    this.set(AT.got + client, events);
  }
  reported(client: number): number {
    return this.get(AT.reported + client);
  }
  setReported(client: number, events: number): void {
    this.set(AT.reported + client, events);
  }
  again(client: number): number {
    return this.get(AT.again + client);
  }
  setAgain(client: number, events: number): void {
    this.set(AT.again + client, events);
  }
  get ever(): number {
    return this.get(AT.ever);
  }
  set ever(events: number) {
    this.set(AT.ever, events);
  }
  get forgot(): boolean {
    return this.is(AT.forgot);
  }
  setForgot(): void {
    this.set(AT.forgot, 1);
  }
  get lossy(): boolean {
    return this.is(AT.lossy);
  }
  setLossy(): void {
    this.set(AT.lossy, 1);
  }
  get flaw(): number {
    return this.get(AT.flaw);
  }
  /** The first one counts. */
  setFlaw(flaw: number): void {
    if (this.flaw === 0) this.set(AT.flaw, flaw);
  }
  budget(fault: number): number {
    return this.get(AT.budget + fault);
  }
  setBudget(fault: number, left: number): void {
    this.set(AT.budget + fault, left);
  }
}

/** Bytes that hold a position or a tag, and bytes that hold a bit per tag, in the part that both models share. */
export const SHARED_POSITIONS: readonly number[] = [
  ...range(AT.timeline, MAX_OFFSET),
  ...range(COPY + AT.timeline, MAX_OFFSET),
  ...range(AT.position, 2),
];

export function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}
