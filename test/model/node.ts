import { publishAck } from './bus.js';
import { type ClaimResult, claim, type ReadResult, read, seemsOver, settle } from './registry.js';
import type { World } from './scenario.js';
import type { State } from './state.js';
import { ADMIN, CONNS, Lease, Phase, Run, Wait, Why } from './vocabulary.js';

/** The node can talk to Redis and its process runs. */
export function isLinked(s: State, n: number): boolean {
  return runs(s, n) && !s.stale(n);
}

/** The process runs and its command link stands, or seems to. */
export function runs(s: State, n: number): boolean {
  return s.run(n) === Run.running || s.run(n) === Run.deaf;
}

/** C6: what the node asks before each flush and before connection_established. */
export function mayDeliver(w: World, s: State, n: number): boolean {
  if (s.run(n) === Run.killed) return false;
  // Without the check a timer fences: in time in a process that runs, too late in one that was stopped.
  if (!w.rules.C6 && runs(s, n)) return true;
  return s.valid(n);
}

/**
 * Whether what is appended from now on is written to it. An evict that is on its way comes before that on the same
 * subscription, and what a node that is behind hears carries a time ahead of its own.
 */
export function delivers(w: World, s: State, c: number): boolean {
  const n = w.node(c);
  // A node that has not noticed yet that Redis forgot is the documented exception: ≤ LEASE_TTL_MS, of a shard ≤ 2 s.
  if (s.phase(c) !== Phase.established || !mayDeliver(w, s, n) || s.stale(n) || s.unproven(n)) return false;
  return !s.behind(n) || !(w.rules.timeHeard || s.run(n) === Run.frozen || s.evicts(c) !== 0);
}

/** The socket is closed and nothing more written; what Redis may still do for this connection is undone later. */
export function close(s: State, c: number, why: number): void {
  s.setWhy(c, why);
  switch (s.phase(c)) {
    case Phase.claiming:
      s.setPhase(c, Phase.doomedClaiming);
      return;
    case Phase.claimed:
    case Phase.reclaimed:
      s.setPhase(c, Phase.doomedClaimed);
      return;
    case Phase.reclaiming:
      s.setPhase(c, Phase.doomedReclaiming);
      return;
    default:
      s.setPhase(c, Phase.closed);
      s.setReleasing(c, true);
  }
}

/** The same, when no reply will come: released by conn alone (C8). */
export function closeUnanswered(s: State, c: number, why: number): void {
  if (s.phase(c) === Phase.closed || s.phase(c) === Phase.idle) return;
  if (s.why(c) === Why.open) s.setWhy(c, why);
  s.setPhase(c, Phase.closed);
  s.setReleasing(c, true);
}

/** claim.lua or the re-claim runs in Redis. Refusals need no reply of their own: nothing was granted. */
export function runClaim(w: World, s: State, c: number, knowsDead: boolean): ClaimResult {
  const phase = s.phase(c);
  const again = phase === Phase.reclaiming || phase === Phase.doomedReclaiming;
  const { holder } = s;
  const result = claim(w, s, c, again, knowsDead);
  if (result === 'granted') {
    if (phase === Phase.claiming) s.setPhase(c, Phase.claimed);
    else if (phase === Phase.reclaiming) s.setPhase(c, Phase.reclaimed);
    else if (s.run(w.node(c)) === Run.killed) s.setPhase(c, Phase.closed);
    else s.setPhase(c, Phase.doomedClaimed);
    return result;
  }
  if (result === 'replaced' && w.isEarlierAttempt(holder, c)) s.ownAttemptEnded = true;
  if (s.why(c) === Why.open) s.setWhy(c, result === 'overflow' || result === 'kicked' ? Why.excused : Why.terminal);
  s.setPhase(c, Phase.closed);
  return result;
}

/** The reply of claim.lua arrives. */
export function onClaimed(w: World, s: State, c: number): void {
  if (s.phase(c) === Phase.doomedClaimed) {
    s.setPhase(c, Phase.closed);
    s.setReleasing(c, true);
    return;
  }
  s.setPhase(c, Phase.waiting);
  // With nobody replaced there is nothing to settle: one script per connect.
  if (!s.unsettled(c)) establish(w, s, c);
}

/** Waiting is over: settle.lua runs. */
export function runSettle(w: World, s: State, c: number): void {
  const { holder } = s;
  const result = settle(w, s, c);
  if (result === 'settled') {
    s.setPhase(c, Phase.settled);
    return;
  }
  if (result === 'absent' && s.establishedData(c)) {
    s.setPhase(c, Phase.unsynced);
    return;
  }
  if (result === 'replaced' && w.isEarlierAttempt(holder, c)) s.ownAttemptEnded = true;
  close(s, c, result === 'replaced' ? Why.terminal : Why.excused);
}

export function establish(w: World, s: State, c: number): void {
  if (!mayDeliver(w, s, w.node(c))) {
    if (w.rules.interruptionCloses) close(s, c, Why.excused);
    else s.setPhase(c, Phase.settled);
    return;
  }
  s.setPhase(c, Phase.established);
  s.setEstablished(c, true);
}

/** C1: an evict finds its connection, or the conn id is gone. */
function isInTable(w: World, s: State, c: number): boolean {
  switch (s.phase(c)) {
    case Phase.claiming:
    case Phase.claimed:
      return w.rules.C1;
    case Phase.waiting:
    case Phase.settled:
    case Phase.established:
    case Phase.unsynced:
    case Phase.reclaiming:
    case Phase.reclaimed:
      return true;
    default:
      return false;
  }
}

export function onEvict(w: World, s: State, c: number, by: number): void {
  s.setEvict(c, by, false);
  if (isInTable(w, s, c)) {
    if (by !== ADMIN && w.isEarlierAttempt(by, c)) s.ownAttemptEnded = true;
    close(s, c, by === ADMIN ? Why.excused : Why.terminal);
  }
  publishAck(w, s, c, by);
}

export function onAck(s: State, c: number, by: number): void {
  s.setAck(c, by, false);
  s.setWait(by, c, Wait.nothing);
}

/** Its lease is known dead, or the replace time-out ran out: both prove that the owner does not deliver (C6, C9). */
export function canStopWaiting(w: World, s: State, by: number, e: number): boolean {
  const wait = s.wait(by, e);
  if (wait === Wait.nothing) return false;
  const n = w.node(e);
  return wait !== Wait.acknowledgement || s.run(n) === Run.killed || seemsOver(w, s, n) || s.phase(e) === Phase.closed;
}

export function waitsForNobody(s: State, c: number): boolean {
  return CONNS.every((e) => s.wait(c, e) === Wait.nothing);
}

/** reconcile.lua ran and its reply is here; re-claiming is a step of its own. */
export function onRead(w: World, s: State, c: number, knowsDead: boolean): ReadResult {
  const { holder } = s;
  const result = read(w, s, c, knowsDead);
  if (result === 'mine') {
    s.setPhase(c, Phase.established);
    // A re-claim whose reply, or whose effect, was lost: what is stored counts.
    s.setGranted(c, s.fence);
  } else if (result === 'absent') s.setPhase(c, Phase.reclaiming);
  else {
    if (result === 'replaced' && w.isEarlierAttempt(holder, c)) s.ownAttemptEnded = true;
    close(s, c, result === 'replaced' ? Why.terminal : Why.excused);
  }
  return result;
}

/** The bus or the command link of a node was interrupted; `lostLease`: its right to deliver ran out meanwhile. */
export function onInterruption(w: World, s: State, n: number, lostLease: boolean): void {
  s.setUnproven(n, false);
  for (const c of CONNS) {
    if (w.node(c) !== n) continue;
    switch (s.phase(c)) {
      case Phase.idle:
      case Phase.closed:
        break;
      case Phase.established:
        if (w.rules.C12) s.setPhase(c, Phase.unsynced);
        break;
      case Phase.unsynced:
      case Phase.reclaiming:
      case Phase.reclaimed:
        s.setPhase(c, Phase.unsynced);
        break;
      case Phase.waiting:
      case Phase.settled:
        if (s.establishedData(c)) {
          if (w.rules.leaseBinds) s.setPhase(c, Phase.unsynced);
        } else if (lostLease || w.rules.interruptionCloses) closeUnanswered(s, c, Why.excused);
        break;
      default:
        closeUnanswered(s, c, Why.excused);
    }
  }
}

/** Renewed under a new lease id (C10): every entry still names the old one. */
export function takeNewLease(w: World, s: State, n: number): void {
  const gone = s.dead(n) ? Lease.dead : Lease.old;
  for (const c of CONNS) {
    if (w.node(c) !== n) continue;
    s.ageLease(c, Lease.current, gone);
    for (const by of CONNS) if (s.wait(by, c) !== Wait.nothing) s.setWait(by, c, Wait.oldChannel);
  }
  s.setValid(n, true);
  s.setBehind(n, false);
  s.setDead(n, false);
}
