import { type Layout, offsetsOf, widthsOf } from './layout.js';
import { EVENT_LAYOUT, EventState, range, SHARED_POSITIONS } from './state.js';
import { CONNS, NODES } from './vocabulary.js';

const LAYOUT = {
  ...EVENT_LAYOUT,
  /** Per node: all that concerns the cohorts up to here was written; the newest entry taken. */
  written: [2, 5],
  tail: [2, 5],
  mode: [2, 3],
  /** The head that a read gave, and the entry after the tail. */
  headSeen: [2, 5],
  found: [2, 2],
  foundAt: [2, 5],
  /** A live batch came since the head was asked for. */
  arrived: [2, 1],
  /** Entries up to the position that the node holds in memory. */
  recent: [2, 2],
  live: [2, 8],
  stale: [2, 1],
  phase: [3, 3],
  /** Of a reader; members have the node's position. */
  connectionPosition: [3, 5],
  verdict: [3, 2],
  page: [3, 2],
  pageAt: [3, 5],
  /** The node's position moved since the page was asked for. */
  moved: [3, 1],
} as const satisfies Layout;

const AT = offsetsOf(LAYOUT);
export const BROADCAST_WIDTHS: readonly number[] = widthsOf(LAYOUT);

export const BROADCAST_REFERENCES = {
  positions: [
    ...SHARED_POSITIONS,
    ...[AT.written, AT.tail, AT.headSeen, AT.foundAt].flatMap((at) => range(at, NODES.length)),
    ...[AT.connectionPosition, AT.pageAt].flatMap((at) => range(at, CONNS.length)),
  ],
  masks: range(AT.live, NODES.length),
};

/** How a node follows the log. */
export const Mode = {
  following: 0,
  /** Something is missing: the head is about to be read. */
  behind: 1,
  headAsked: 2,
  entriesAsked: 3,
  /** Started, subscribed: the head is about to be read; nobody is served yet. */
  starting: 4,
  startAsked: 5,
} as const;

export const Phase = {
  idle: 0,
  /** The resume position was checked in Redis, the answer is in flight. */
  found: 1,
  /** In its cohort: the position is the node's position. */
  member: 2,
  /** Served individually, from the recent events or the log. */
  reader: 3,
  /** A reader that found nothing more, and waits for its node to come to its position. */
  parked: 4,
  /** Its socket takes nothing. */
  congested: 5,
  closed: 6,
} as const;

/** What a read found after the position. `gone`: an entry, but not what lay before it. */
export const Found = { none: 0, entry: 1, gone: 2, reset: 3 } as const;

/** Verdict on a resume position. */
export const Resume = { fresh: 0, full: 1, partial: 2, none: 3 } as const;

export class BroadcastState extends EventState {
  constructor() {
    super(BROADCAST_WIDTHS.length);
  }
  written(n: number): number {
    return this.get(AT.written + n);
  }
  setWritten(n: number, position: number): void {
    this.set(AT.written + n, position);
  }
  tail(n: number): number {
    return this.get(AT.tail + n);
  }
  setTail(n: number, position: number): void {
    this.set(AT.tail + n, position);
  }
  mode(n: number): number {
    return this.get(AT.mode + n);
  }
  setMode(n: number, mode: number): void {
    this.set(AT.mode + n, mode);
  }
  headSeen(n: number): number {
    return this.get(AT.headSeen + n);
  }
  setHeadSeen(n: number, position: number): void {
    this.set(AT.headSeen + n, position);
  }
  found(n: number): number {
    return this.get(AT.found + n);
  }
  foundAt(n: number): number {
    return this.get(AT.foundAt + n);
  }
  setFound(n: number, found: number, at: number): void {
    this.set(AT.found + n, found);
    this.set(AT.foundAt + n, at);
  }
  arrived(n: number): boolean {
    return this.is(AT.arrived + n);
  }
  setArrived(n: number, arrived: boolean): void {
    this.set(AT.arrived + n, arrived ? 1 : 0);
  }
  recent(n: number): number {
    return this.get(AT.recent + n);
  }
  setRecent(n: number, entries: number): void {
    this.set(AT.recent + n, entries);
  }
  live(n: number): number {
    return this.get(AT.live + n);
  }
  setLive(n: number, tags: number): void {
    this.set(AT.live + n, tags);
  }
  stale(n: number): boolean {
    return this.is(AT.stale + n);
  }
  setStale(n: number, stale: boolean): void {
    this.set(AT.stale + n, stale ? 1 : 0);
  }
  phase(c: number): number {
    return this.get(AT.phase + c);
  }
  setPhase(c: number, phase: number): void {
    this.set(AT.phase + c, phase);
  }
  connectionPosition(c: number): number {
    return this.get(AT.connectionPosition + c);
  }
  setConnectionPosition(c: number, position: number): void {
    this.set(AT.connectionPosition + c, position);
  }
  verdict(c: number): number {
    return this.get(AT.verdict + c);
  }
  setVerdict(c: number, verdict: number): void {
    this.set(AT.verdict + c, verdict);
  }
  page(c: number): number {
    return this.get(AT.page + c);
  }
  pageAt(c: number): number {
    return this.get(AT.pageAt + c);
  }
  setPage(c: number, page: number, at: number): void {
    this.set(AT.page + c, page);
    this.set(AT.pageAt + c, at);
    this.set(AT.moved + c, 0);
  }
  moved(c: number): boolean {
    return this.is(AT.moved + c);
  }
  setMoved(c: number): void {
    this.set(AT.moved + c, 1);
  }
}
