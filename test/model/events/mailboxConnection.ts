import { check, entryAfter, isInHistory } from './log.js';
import { type MailboxState, Page, Phase } from './mailboxState.js';
import type { Scenario } from './scenario.js';
import { begin, owed, receive, tell } from './sdk.js';
import { rulesWithout } from './switches.js';
import { CONNS, Flaw, NONE } from './vocabulary.js';

const ALL = rulesWithout();

/** The mailbox keeps the tag before its first entry. */
const FLOOR = true;

export function isEstablished(s: MailboxState, c: number): boolean {
  const phase = s.phase(c);
  return phase >= Phase.replaying && phase <= Phase.reclaiming;
}

/** In its node's table. */
export function isThere(s: MailboxState, c: number): boolean {
  return s.phase(c) !== Phase.idle && s.phase(c) !== Phase.closed;
}

export function close(s: MailboxState, c: number): void {
  s.setPhase(c, Phase.closed);
  s.setBroken(c);
}

/** claim.lua: the newest claim owns the mailbox; its answer tells the head and what became of the resume position. */
export function runClaim(w: Scenario, s: MailboxState, c: number): void {
  const before = s.owner;
  if (before !== NONE && before !== c && isThere(s, before)) s.setEvicted(before, true);
  s.owner = c;
  s.fence = c + 1;
  s.oldLease = false;
  s.setPhase(c, Phase.claimed);
  const resume = s.resume(c);
  s.setResume(c, 0);
  const acked = s.at(s.acked);
  let start = resume;
  let announce = false;
  if (resume === 0) start = acked;
  else if (check(w.rules, s, resume, FLOOR) === 'other') {
    start = acked;
    announce = true;
  } else if (s.offsetOf(resume) < s.acked) {
    start = acked;
    announce = w.rules.ackedIsReported;
  } else if (check(w.rules, s, resume, FLOOR) === 'gone') announce = w.rules.trimIsReported;
  s.setConnectionPosition(c, start);
  s.setAnnounce(c, announce);
  s.setPage(c, Page.none, 0, false, s.head);
}

/** Nobody replaced delivers any more: connection_established, then replay, unless the answer of the claim said that nothing was missed. */
export function establish(w: Scenario, s: MailboxState, c: number): void {
  const reader = client(w, s, c);
  const head = s.pageHead(c);
  s.setPage(c, Page.none, 0, false, 0);
  if (reader >= 0) {
    if (s.announce(c)) announceGap(w, s, c, s.connectionPosition(c));
    else if (s.position(reader) === 0) begin(s, reader, s.connectionPosition(c));
    else s.setPosition(reader, s.connectionPosition(c));
  }
  s.setAnnounce(c, false);
  const wanted = Math.max(head, s.heard(c));
  s.setHeard(c, w.rules.L3 ? s.heard(c) : 0);
  s.setPhase(c, s.offsetOf(s.connectionPosition(c)) === (w.rules.L3 ? wanted : head) ? Phase.open : Phase.replaying);
}

/** Which SDK instance reads what is written here; -1: none, the socket is broken or given up. */
function client(w: Scenario, s: MailboxState, c: number): number {
  return s.broken(c) ? -1 : (w.shape.clients[c] as number);
}

function announceGap(w: Scenario, s: MailboxState, c: number, start: number): void {
  const reader = client(w, s, c);
  if (reader < 0) return;
  const held = s.position(reader);
  const lacksNothing = isInHistory(s, held) && s.offsetOf(held) >= s.acked && check(ALL, s, held, FLOOR) === 'follows';
  if (!s.forgot && held !== 0 && lacksNothing) s.setFlaw(Flaw.needless);
  tell(s, reader, start);
}

function write(w: Scenario, s: MailboxState, c: number, tag: number): void {
  const reader = client(w, s, c);
  s.setConnectionPosition(c, tag);
  if (reader >= 0) receive(s, reader, tag);
  const { owner } = s;
  // A Redis that lost the claim is the documented exception: LEASE_TTL_MS at most.
  if (
    owner !== c &&
    owner !== NONE &&
    !s.forgot &&
    (s.phase(owner) === Phase.replaying || s.phase(owner) === Phase.open)
  ) {
    s.setFlaw(Flaw.replaced);
  }
}

/** A live message reaches a connection of the user (L3). */
export function onLive(w: Scenario, s: MailboxState, c: number, tag: number): void {
  const { rules } = w;
  const offset = s.offsetOf(tag);
  switch (s.phase(c)) {
    case Phase.claiming:
    case Phase.claimed:
    case Phase.waiting:
      if (rules.L3) hear(s, c, offset);
      return;
    case Phase.replaying:
      if (rules.heardWhileReading) hear(s, c, offset);
      return;
    case Phase.open:
      break;
    default:
      return;
  }
  if (isOld(w, s, c, tag)) {
    if (!rules.oldIsDropped) write(w, s, c, tag);
    return;
  }
  if (!rules.liveFollows || follows(w, s, c, tag)) {
    write(w, s, c, tag);
    return;
  }
  hear(s, c, offset);
  s.setPhase(c, Phase.replaying);
}

/** The same place with another tag is no repeat: the mailbox went back, and gave the offset away again. */
function isOld(w: Scenario, s: MailboxState, c: number, tag: number): boolean {
  const connectionPosition = s.connectionPosition(c);
  if (w.rules.L1 && s.epochOf(tag) !== s.epochOf(connectionPosition)) return false;
  if (s.offsetOf(tag) === s.offsetOf(connectionPosition) && w.rules.L1 && w.rules.tagsCompared)
    return tag === connectionPosition;
  return s.offsetOf(tag) <= s.offsetOf(connectionPosition);
}

function hear(s: MailboxState, c: number, offset: number): void {
  s.setHeard(c, Math.max(s.heard(c), offset));
}

/** The message names the entry before it. */
function follows(w: Scenario, s: MailboxState, c: number, tag: number): boolean {
  const connectionPosition = s.connectionPosition(c);
  if (!w.rules.L1) return s.offsetOf(tag) === s.offsetOf(connectionPosition) + 1;
  const before = s.prevOf(tag);
  // A mailbox that was not there: its first entry is the first of all.
  if (s.epochOf(connectionPosition) === 0) return s.offsetOf(tag) === 1;
  if (!w.rules.tagsCompared)
    return s.epochOf(tag) === s.epochOf(connectionPosition) && s.offsetOf(tag) === s.offsetOf(connectionPosition) + 1;
  return before === connectionPosition;
}

/** A page is read, one entry long, with the state of the mailbox in the same step. */
export function readPage(w: Scenario, s: MailboxState, c: number): void {
  const connectionPosition = s.connectionPosition(c);
  s.setHeard(c, 0);
  const verdict = check(w.rules, s, connectionPosition, FLOOR);
  if (verdict === 'other') {
    s.setPage(c, Page.reset, s.at(s.acked), true, s.head);
    return;
  }
  const next = entryAfter(s, s.offsetOf(connectionPosition));
  const gap = verdict === 'gone' && w.rules.trimIsReported;
  if (next === 0) s.setPage(c, Page.empty, gap ? s.at(s.head) : 0, gap, s.head);
  else s.setPage(c, Page.entry, next, gap, s.head);
}

export function onPage(w: Scenario, s: MailboxState, c: number): void {
  const page = s.page(c);
  const at = s.pageAt(c);
  const gap = s.pageGap(c);
  const head = Math.max(s.pageHead(c), s.heard(c));
  s.setPage(c, Page.none, 0, false, 0);
  if (page === Page.entry) {
    if (gap) announceGap(w, s, c, s.prevOf(at));
    write(w, s, c, at);
  } else if (gap) {
    announceGap(w, s, c, at);
    s.setConnectionPosition(c, at);
  }
  if (s.offsetOf(s.connectionPosition(c)) < head) return;
  s.setHeard(c, 0);
  s.setPhase(c, Phase.open);
}

/** The sweep, and each return from an interruption, reads the head (L4): whatever differs is for a page to check. */
export function lagsBehind(w: Scenario, s: MailboxState, c: number): boolean {
  const connectionPosition = s.connectionPosition(c);
  if (!w.rules.L1) return s.head > s.offsetOf(connectionPosition);
  if (!w.rules.tagsCompared)
    return s.epoch !== s.epochOf(connectionPosition) || s.head !== s.offsetOf(connectionPosition);
  return s.at(s.head) !== connectionPosition;
}

/** An acknowledgement reaches its node, and ack.lua runs (L8). */
export function runAck(w: Scenario, s: MailboxState, c: number): void {
  const { rules } = w;
  let given = s.ack(c);
  s.setAck(c, 0);
  if (rules.L8 && s.owner !== c) return;
  if (rules.ackSent && isThere(s, c) && s.offsetOf(given) > s.offsetOf(s.connectionPosition(c))) {
    if (rules.ackIgnored) return;
    given = s.connectionPosition(c);
  }
  if (s.epochOf(given) !== s.epoch) return;
  const offset = rules.ackIgnored ? s.offsetOf(given) : Math.min(s.offsetOf(given), s.head);
  if (offset <= s.acked || offset > s.head) return;
  if (rules.ackTagged && (offset < s.first || s.tagAt(offset) !== given)) return;
  s.acked = offset;
  s.first = Math.max(s.first, offset + 1);
  if (w.faults.forge === undefined && (owed(s, offset) & ~s.ever) !== 0) s.setFlaw(Flaw.acked);
  const { owner } = s;
  if (owner === NONE || s.forgot || s.phase(owner) < Phase.claimed || s.phase(owner) > Phase.reclaiming) return;
  if (offset > s.offsetOf(s.connectionPosition(owner))) s.setFlaw(Flaw.acked);
}

/** The bus or the command link of a node was interrupted (C12). */
export function onInterruption(w: Scenario, s: MailboxState, n: number): void {
  s.setLive(n, 0);
  for (const c of CONNS) {
    if (w.shape.nodes[c] !== n) continue;
    if (isEstablished(s, c)) {
      s.setPhase(c, Phase.unsynced);
      s.setPage(c, Page.none, 0, false, 0);
      s.setHeard(c, 0);
    } else if (isThere(s, c)) close(s, c);
  }
}
