import { type BroadcastState, Found, Mode, Phase, Resume } from './broadcastState.js';
import { check, entryAfter } from './log.js';
import type { Scenario } from './scenario.js';
import { begin, receive, tell } from './sdk.js';
import { START } from './state.js';
import { rulesWithout } from './switches.js';
import { CONNS, Flaw } from './vocabulary.js';

const ALL = rulesWithout();
/** The broadcast log keeps no tag of what is gone. */
const FLOOR = false;
/** Entries that a node keeps in memory for readers. */
const RECENT = 2;

/** One SDK instance, which moves between the nodes. */
const CLIENT = 0;

function isServed(s: BroadcastState, c: number): boolean {
  const phase = s.phase(c);
  return phase === Phase.member || phase === Phase.reader || phase === Phase.parked || phase === Phase.congested;
}

function announceGap(s: BroadcastState, start: number): void {
  const held = s.position(CLIENT);
  if (!s.forgot && held !== 0 && check(ALL, s, held, FLOOR) === 'follows') s.setFlaw(Flaw.needless);
  tell(s, CLIENT, start);
}

/** Writes what was taken to those whose position is where it begins (L5). */
export function flush(w: Scenario, s: BroadcastState, n: number): void {
  const from = s.written(n);
  const to = s.tail(n);
  if (from === to) return;
  const run: number[] = [];
  for (let tag = to; tag !== from; tag = s.prevOf(tag)) {
    run.push(tag);
    // Without tags the run is not a chain: only as many as the offsets say.
    if (run.length >= s.offsetOf(to) - s.offsetOf(from) || s.prevOf(tag) === 0 || s.prevOf(tag) >= START) break;
  }
  run.reverse();
  for (const c of CONNS) {
    if (w.shape.nodes[c] !== n || !isServed(s, c)) continue;
    if (s.phase(c) !== Phase.member && (w.rules.L5 || s.phase(c) === Phase.congested)) continue;
    for (const tag of run) receive(s, CLIENT, tag);
  }
  moveTo(w, s, n, to, Math.min(RECENT, s.recent(n) + run.length));
}

/** The position changes: readers may have been waiting for it. */
function moveTo(w: Scenario, s: BroadcastState, n: number, position: number, recent: number): void {
  s.setWritten(n, position);
  s.setTail(n, position);
  s.setRecent(n, recent);
  for (const c of CONNS) {
    if (w.shape.nodes[c] !== n) continue;
    if (s.page(c) !== 0) s.setMoved(c);
    if (s.phase(c) !== Phase.parked) continue;
    if (!joins(w, s, c, n) && s.offsetOf(position) >= s.offsetOf(s.connectionPosition(c))) s.setPhase(c, Phase.reader);
  }
}

/** A reader that has caught up joins its cohort. */
function joins(w: Scenario, s: BroadcastState, c: number, n: number): boolean {
  const written = w.rules.joinsAtWritten ? s.written(n) : s.tail(n);
  const connectionPosition = s.connectionPosition(c);
  const caughtUp =
    w.rules.tagsJoin && w.rules.L1
      ? connectionPosition === written
      : s.offsetOf(connectionPosition) === s.offsetOf(written);
  if (caughtUp) s.setPhase(c, Phase.member);
  return caughtUp;
}

/** What cannot be delivered is announced to the cohorts; readers are checked by their own positions. */
function gap(w: Scenario, s: BroadcastState, n: number, to: number): void {
  flush(w, s, n);
  for (const c of CONNS) if (w.shape.nodes[c] === n && s.phase(c) === Phase.member) announceGap(s, to);
  moveTo(w, s, n, to, 0);
}

/** A live batch (L1, L4). */
export function onLive(w: Scenario, s: BroadcastState, n: number, tag: number): void {
  const { rules } = w;
  s.setArrived(n, true);
  if (s.mode(n) !== Mode.following) return;
  const tail = s.tail(n);
  const step = s.offsetOf(tag) - s.offsetOf(tail);
  const known = !rules.L1 || s.epochOf(tag) === s.epochOf(tail);
  const follows = rules.L1 && rules.tagsCompared ? s.prevOf(tag) === tail : known && step === 1;
  const old = known && (step < 0 || (step === 0 && (tag === tail || !rules.L1 || !rules.tagsCompared)));
  if (follows || (!rules.liveFollows && step > 0)) s.setTail(n, tag);
  else if (!old) s.setMode(n, Mode.behind);
}

/** Whether the log is another than the node knew. */
function isAnother(w: Scenario, s: BroadcastState, head: number, tail: number): boolean {
  if (!w.rules.L1) return false;
  const ahead = s.offsetOf(head) - s.offsetOf(tail);
  if (s.epochOf(head) !== s.epochOf(tail) || ahead < 0) return true;
  return w.rules.tagsCompared && ahead === 0 && head !== tail;
}

/** The head that was asked for is here; when it is ahead, the next entry is read. */
export function onHead(w: Scenario, s: BroadcastState, n: number): void {
  const head = s.headSeen(n);
  const tail = s.tail(n);
  if (isAnother(w, s, head, tail)) {
    gap(w, s, n, head);
    s.setMode(n, Mode.behind);
  } else if (s.offsetOf(head) <= s.offsetOf(tail)) {
    s.setMode(n, s.arrived(n) ? Mode.behind : Mode.following);
  } else {
    const [found, at] = next(w, s, tail);
    s.setFound(n, found, at);
    s.setMode(n, Mode.entriesAsked);
    return;
  }
  s.setHeadSeen(n, 0);
}

/** The entry after a position is read, together with the one of the position itself. */
function next(w: Scenario, s: BroadcastState, position: number): readonly [number, number] {
  const verdict = check(w.rules, s, position, FLOOR);
  if (verdict === 'other') return [Found.reset, 0];
  const entry = entryAfter(s, s.offsetOf(position));
  if (entry === 0) return [Found.none, 0];
  return [verdict === 'gone' && w.rules.trimIsReported ? Found.gone : Found.entry, entry];
}

export function onEntries(w: Scenario, s: BroadcastState, n: number): void {
  const found = s.found(n);
  const entry = s.foundAt(n);
  const head = s.headSeen(n);
  s.setFound(n, Found.none, 0);
  s.setHeadSeen(n, 0);
  s.setMode(n, Mode.behind);
  if (found === Found.reset || found === Found.none) {
    gap(w, s, n, head);
    return;
  }
  flush(w, s, n);
  if (found === Found.gone) gap(w, s, n, s.prevOf(entry));
  s.setTail(n, entry);
  flush(w, s, n);
}

/**
 * connection_established: full and partial go on from the client's position, the others from the node's. Nothing is flushed: what was taken
 * and is not written yet comes with the next flush, to who joins now as to its cohort.
 */
export function establishedData(w: Scenario, s: BroadcastState, c: number, n: number): void {
  const verdict = s.verdict(c);
  s.setVerdict(c, 0);
  if (verdict === Resume.fresh || verdict === Resume.none) {
    if (verdict === Resume.none) announceGap(s, s.written(n));
    else begin(s, CLIENT, s.written(n));
    s.setPhase(c, Phase.member);
    return;
  }
  s.setPhase(c, Phase.reader);
  s.setConnectionPosition(c, s.position(CLIENT));
  if (verdict === Resume.partial) announceGap(s, s.connectionPosition(c));
  joins(w, s, c, n);
}

/** The resume position is checked: by Redis (L5). */
export function decideResume(w: Scenario, s: BroadcastState, c: number, n: number): void {
  const held = s.position(CLIENT);
  s.setPhase(c, Phase.found);
  s.setVerdict(c, Resume.full);
  if (held === 0) s.setVerdict(c, Resume.fresh);
  else if (!w.rules.decidedByRedis && s.offsetOf(held) > s.offsetOf(s.written(n))) s.setVerdict(c, Resume.none);
  else {
    const verdict = check(w.rules, s, held, FLOOR);
    if (verdict === 'other') s.setVerdict(c, Resume.none);
    else if (verdict === 'gone' && w.rules.trimIsReported) s.setVerdict(c, Resume.partial);
  }
}

/** The entry after a reader's position, when the node holds it; 0 when it does not. */
export function inRecent(s: BroadcastState, c: number, n: number): number {
  let entry = s.written(n);
  for (let held = s.recent(n); held > 0; held -= 1) {
    if (entry === 0 || entry >= START) return 0;
    const before = s.prevOf(entry);
    if (before === s.connectionPosition(c)) return entry;
    entry = before;
  }
  return 0;
}

/** A reader is served an entry. */
export function serve(w: Scenario, s: BroadcastState, c: number, n: number, entry: number): void {
  receive(s, CLIENT, entry);
  s.setConnectionPosition(c, entry);
  joins(w, s, c, n);
}

export function readPage(w: Scenario, s: BroadcastState, c: number): void {
  const [found, entry] = next(w, s, s.connectionPosition(c));
  // An empty page is an answer, too: 0 would be none.
  s.setPage(c, found === Found.none ? Found.entry : found, entry);
}

export function onPage(w: Scenario, s: BroadcastState, c: number, n: number): void {
  const found = s.page(c);
  const entry = s.pageAt(c);
  const again = s.moved(c) && w.rules.movedWhileReading;
  s.setPage(c, 0, 0);
  if (found === Found.reset) {
    flush(w, s, n);
    announceGap(s, s.written(n));
    s.setPhase(c, Phase.member);
  } else if (entry === 0) {
    if (!joins(w, s, c, n) && !again) s.setPhase(c, Phase.parked);
  } else {
    if (found === Found.gone) announceGap(s, s.prevOf(entry));
    serve(w, s, c, n, entry);
  }
}

/** Bus or command link of a node were interrupted: what was taken and not written is read again. */
export function interrupt(w: Scenario, s: BroadcastState, n: number): void {
  s.setLive(n, 0);
  s.setTail(n, s.written(n));
  if (s.mode(n) < Mode.starting) s.setMode(n, Mode.behind);
  else s.setMode(n, Mode.starting);
  s.setHeadSeen(n, 0);
  s.setFound(n, Found.none, 0);
  s.setArrived(n, false);
  for (const c of CONNS) {
    if (w.shape.nodes[c] !== n) continue;
    s.setPage(c, 0, 0);
    // What is not established yet comes back (C12).
    if (s.phase(c) === Phase.found) s.setPhase(c, Phase.closed);
  }
}
