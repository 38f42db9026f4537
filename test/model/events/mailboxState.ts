import { type Layout, offsetsOf, widthsOf } from './layout.js';
import { EVENT_LAYOUT, EventState, range, SHARED_POSITIONS } from './state.js';
import { CONNS, NODES } from './vocabulary.js';

const LAYOUT = {
  ...EVENT_LAYOUT,
  /** The job: 0 to be done, 1 the other target's mailbox has it, 2 ours has it and the answer is under way. */
  stage: [1, 2],
  /** Appends to the other target's mailbox by this job: 0, 1, 2. */
  other: [1, 2],
  /** The answer of the append: tag to publish, and the owner's node (3: nobody to tell). */
  answer: [1, 4],
  answerTo: [1, 2],
  phase: [3, 4],
  resume: [3, 5],
  connectionPosition: [3, 5],
  /** Highest offset heard of since the last page was asked for. */
  heard: [3, 3],
  /** connection_established has to say: 0 full or fresh, 1 partial or none. */
  announce: [3, 1],
  broken: [3, 1],
  /** The answer of a claim or a page under way: what it is, entry or start, whether something is gone, the head. */
  page: [3, 2],
  pageAt: [3, 5],
  pageGap: [3, 1],
  pageHead: [3, 3],
  /** Position of an acknowledgement on its way from the client to Redis. */
  ack: [3, 5],
  evicted: [3, 1],
  /** Bit per tag: live messages on their way to a node. */
  live: [2, 8],
  paused: [2, 1],
  /** now < validUntil. */
  valid: [2, 1],
  /** Redis restarted, and the node did not notice yet. */
  stale: [2, 1],
  /** The entry names a lease that its node gave up. */
  oldLease: [1, 1],
  acksLeft: [1, 2],
} as const satisfies Layout;

const AT = offsetsOf(LAYOUT);
export const MAILBOX_WIDTHS: readonly number[] = widthsOf(LAYOUT);

/** Bytes that name tags. */
export const MAILBOX_REFERENCES = {
  positions: [
    ...SHARED_POSITIONS,
    AT.answer,
    ...[AT.resume, AT.connectionPosition, AT.pageAt, AT.ack].flatMap((at) => range(at, CONNS.length)),
  ],
  masks: range(AT.live, NODES.length),
};

/** Life of a connection, as its node sees it. */
export const Phase = {
  idle: 0,
  /** claim.lua is in flight. */
  claiming: 1,
  /** claim.lua ran, its answer is in flight. */
  claimed: 2,
  /** Waits until nobody replaced delivers any more. */
  waiting: 3,
  /** Established; reads pages until the position is the head. */
  replaying: 4,
  /** Established; live messages are written. */
  open: 5,
  /** Established; after an interruption, until reconciled. */
  unsynced: 6,
  /** Reconciled; the entry is about to get the new lease. */
  reclaiming: 7,
  closed: 8,
} as const;

/** The answer of a page. */
export const Page = { none: 0, entry: 1, empty: 2, reset: 3 } as const;

export class MailboxState extends EventState {
  constructor() {
    super(MAILBOX_WIDTHS.length);
  }
  get stage(): number {
    return this.get(AT.stage);
  }
  set stage(stage: number) {
    this.set(AT.stage, stage);
  }
  get other(): number {
    return this.get(AT.other);
  }
  set other(appends: number) {
    this.set(AT.other, appends);
  }
  get answer(): number {
    return this.get(AT.answer);
  }
  set answer(tag: number) {
    this.set(AT.answer, tag);
  }
  get answerTo(): number {
    return this.get(AT.answerTo);
  }
  set answerTo(n: number) {
    this.set(AT.answerTo, n);
  }
  phase(c: number): number {
    return this.get(AT.phase + c);
  }
  setPhase(c: number, phase: number): void {
    this.set(AT.phase + c, phase);
  }
  resume(c: number): number {
    return this.get(AT.resume + c);
  }
  setResume(c: number, position: number): void {
    this.set(AT.resume + c, position);
  }
  connectionPosition(c: number): number {
    return this.get(AT.connectionPosition + c);
  }
  setConnectionPosition(c: number, position: number): void {
    this.set(AT.connectionPosition + c, position);
  }
  heard(c: number): number {
    return this.get(AT.heard + c);
  }
  setHeard(c: number, offset: number): void {
    this.set(AT.heard + c, offset);
  }
  announce(c: number): boolean {
    return this.is(AT.announce + c);
  }
  setAnnounce(c: number, gap: boolean): void {
    this.set(AT.announce + c, gap ? 1 : 0);
  }
  broken(c: number): boolean {
    return this.is(AT.broken + c);
  }
  setBroken(c: number): void {
    this.set(AT.broken + c, 1);
  }
  page(c: number): number {
    return this.get(AT.page + c);
  }
  pageAt(c: number): number {
    return this.get(AT.pageAt + c);
  }
  pageGap(c: number): boolean {
    return this.is(AT.pageGap + c);
  }
  pageHead(c: number): number {
    return this.get(AT.pageHead + c);
  }
  setPage(c: number, page: number, at: number, gap: boolean, head: number): void {
    this.set(AT.page + c, page);
    this.set(AT.pageAt + c, at);
    this.set(AT.pageGap + c, gap ? 1 : 0);
    this.set(AT.pageHead + c, head);
  }
  ack(c: number): number {
    return this.get(AT.ack + c);
  }
  setAck(c: number, position: number): void {
    this.set(AT.ack + c, position);
  }
  evicted(c: number): boolean {
    return this.is(AT.evicted + c);
  }
  setEvicted(c: number, evicted: boolean): void {
    this.set(AT.evicted + c, evicted ? 1 : 0);
  }
  live(n: number): number {
    return this.get(AT.live + n);
  }
  setLive(n: number, tags: number): void {
    this.set(AT.live + n, tags);
  }
  paused(n: number): boolean {
    return this.is(AT.paused + n);
  }
  setPaused(n: number, paused: boolean): void {
    this.set(AT.paused + n, paused ? 1 : 0);
  }
  valid(n: number): boolean {
    return this.is(AT.valid + n);
  }
  setValid(n: number, valid: boolean): void {
    this.set(AT.valid + n, valid ? 1 : 0);
  }
  stale(n: number): boolean {
    return this.is(AT.stale + n);
  }
  setStale(n: number, stale: boolean): void {
    this.set(AT.stale + n, stale ? 1 : 0);
  }
  get oldLease(): boolean {
    return this.is(AT.oldLease);
  }
  set oldLease(old: boolean) {
    this.set(AT.oldLease, old ? 1 : 0);
  }
  get acksLeft(): number {
    return this.get(AT.acksLeft);
  }
  set acksLeft(left: number) {
    this.set(AT.acksLeft, left);
  }
}
