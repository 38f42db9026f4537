import { publishEvict } from './bus.js';
import type { World } from './scenario.js';
import type { State } from './state.js';
import { CONNS, Lease, NODES, NONE, Replaced, Run, Wait } from './vocabulary.js';

/** The scripts, each atomic. They see of the world what their real twins see: the entry and the caller's arguments. */
export type ClaimResult = 'granted' | 'olderAttempt' | 'replaced' | 'kicked' | 'overflow';

/** `entry.lease` belongs to the leases known dead. Whether the caller knows it yet is the caller's argument. */
export function ownerIsDead(w: World, s: State): boolean {
  if (s.owner === NONE) return false;
  return s.lease === Lease.dead || (s.lease === Lease.current && s.dead(w.node(s.owner)));
}

function replacedIsDead(w: World, s: State, c: number): boolean {
  const replaced = s.replaced(c);
  return replaced === Replaced.dead || (replaced === Replaced.current && s.dead(w.node(c)));
}

/** Its beats stopped for the lease time of another node, which is shorter than its own. */
export function seemsOver(w: World, s: State, n: number): boolean {
  if (w.rules.peerLeaseTime || n !== w.scenario.shape.longerLease) return false;
  return s.run(n) === Run.paused || s.run(n) === Run.cut || s.run(n) === Run.frozen;
}

/** There is a dead lease in the entry: callers that know it and callers that do not see different things. */
export function namesDeadLease(w: World, s: State): boolean {
  return ownerIsDead(w, s) || CONNS.some((c) => replacedIsDead(w, s, c));
}

/** C4: TIME is in the fence, so a new one is greater than any before, even those that Redis forgot. */
function newFence(w: World, s: State): number {
  if (!w.rules.C4) return s.fence + 1;
  return 1 + Math.max(s.fence, s.granted(0), s.granted(1), s.granted(2));
}

/** Another connection is stored that `c` has to give way to. */
function isOutranked(w: World, s: State, c: number, knowsDead: boolean): boolean {
  const { rules } = w;
  if (s.owner === c) return false;
  if (!rules.deadOutranks && (s.owner === NONE || (knowsDead && ownerIsDead(w, s)))) return false;
  if (rules.C5 && rules.attemptOutranksFence && s.holder !== NONE && w.isEarlierAttempt(s.holder, c)) return false;
  return s.owner === NONE && rules.ownFenceStays ? s.fence > s.granted(c) : s.fence >= s.granted(c);
}

/** A tombstone that `c` has to obey. */
function isTombstoned(s: State, c: number): boolean {
  return s.owner === NONE && s.closeCode && s.fence >= s.granted(c);
}

function isOlderAttempt(w: World, s: State, c: number): boolean {
  if (!w.rules.C5) return false;
  if (!w.rules.attemptsRemembered) return s.holder !== NONE && w.isEarlierAttempt(c, s.holder);
  return CONNS.some((e) => s.seen(e) && w.isEarlierAttempt(c, e));
}

/** claim.lua; `again` is a re-claim, which passes its (conn, fence). */
export function claim(w: World, s: State, c: number, again: boolean, knowsDead: boolean): ClaimResult {
  const { rules } = w;
  if (again && isTombstoned(s, c)) return 'kicked';
  if (again && isOutranked(w, s, c, knowsDead)) return 'replaced';
  if (isOlderAttempt(w, s, c)) return 'olderAttempt';

  const previous = s.owner === c || (knowsDead && ownerIsDead(w, s)) ? NONE : s.owner;
  const stays = (e: number) => e !== c && s.replaced(e) !== Replaced.absent && !(knowsDead && replacedIsDead(w, s, e));
  // Only a claim that would add is refused: with nobody stored, nobody would ever settle the list.
  if (previous !== NONE && !stays(previous) && CONNS.filter(stays).length >= w.replacedMax) return 'overflow';

  const previousLease = Replaced.current + s.lease;
  if (rules.C3 && rules.deadAreWarned && knowsDead) warnTheDead(w, s, c);
  for (const e of CONNS) {
    if (!rules.C2 || !stays(e)) s.setReplaced(e, Replaced.absent);
  }
  if (previous !== NONE) s.setReplaced(previous, previousLease);
  const fence = s.owner === c ? s.fence : newFence(w, s);
  s.owner = c;
  s.holder = c;
  s.setSeen(c, true);
  s.lease = Lease.current;
  s.fence = fence;
  s.closeCode = false;
  s.setGranted(c, fence);
  // Until every node knows what the shard lost, another may yet be claimed again after it.
  if (!again) s.newest = NODES.some((n) => s.unproven(n)) ? NONE : c;

  let unsettled = false;
  s.clearListed(c);
  for (const e of CONNS) {
    const replaced = s.replaced(e);
    if (replaced === Replaced.absent) continue;
    unsettled = true;
    if (w.mayForgetAlone) s.setListed(c, e);
    const own = rules.C5 && w.isEarlierAttempt(e, c);
    s.setWait(c, e, own ? Wait.nothing : waitFor(w, s, e, replaced));
    if (rules.C3) publishEvict(w, s, e, c, replaced);
  }
  s.setUnsettled(c, unsettled);
  return 'granted';
}

/** Who is dead to the caller is not waited for, but may yet wake, by clocks that say that its right is not over. */
function warnTheDead(w: World, s: State, c: number): void {
  if (s.owner !== NONE && s.owner !== c && ownerIsDead(w, s)) {
    publishEvict(w, s, s.owner, c, Replaced.current + s.lease);
  }
  for (const e of CONNS) if (e !== c && replacedIsDead(w, s, e)) publishEvict(w, s, e, c, s.replaced(e));
}

function waitFor(w: World, s: State, e: number, replaced: number): number {
  if (replaced !== Replaced.current) return Wait.oldChannel;
  const n = w.node(e);
  const mayDeliver = s.valid(n) && !s.behind(n) && s.run(n) !== Run.killed;
  return mayDeliver && !seemsOver(w, s, n) ? Wait.acknowledgement : Wait.orTimeout;
}

export type SettleResult = 'settled' | 'replaced' | 'kicked' | 'absent' | 'forgotten';

/** settle.lua: clears the replaced list, but for own attempts, whose evicts nobody waited for. */
export function settle(w: World, s: State, c: number): SettleResult {
  if (s.owner === NONE) return isTombstoned(s, c) ? 'kicked' : 'absent';
  if (s.owner !== c) {
    // Whom it waited for is closed, or has no right any more.
    const { owner } = s;
    const isGone =
      w.rules.confirmedIsGone && CONNS.some((e) => s.isListed(c, e) && (e === owner || w.isEarlierAttempt(owner, e)));
    return isOutranked(w, s, c, false) && !isGone ? 'replaced' : 'forgotten';
  }
  if (w.rules.leaseBinds && s.lease !== Lease.current) return 'absent';
  for (const e of CONNS) {
    if (!w.rules.C5 || !w.isEarlierAttempt(e, c)) s.setReplaced(e, Replaced.absent);
  }
  s.setUnsettled(c, false);
  return 'settled';
}

/** release.lua: conn and fence must match; the replaced list stays. */
export function release(s: State, c: number): void {
  if (s.owner === c) s.owner = NONE;
}

/** Reaping, ≥ 60 s after the lease died: compare-and-delete by (conn, fence, lease); the replaced list stays. */
export function reap(s: State): void {
  s.owner = NONE;
  s.newest = NONE;
}

/** kick.lua: a tombstone. */
export function kick(w: World, s: State): void {
  const kicked = s.owner;
  const lease = s.lease;
  s.fence = newFence(w, s);
  s.owner = NONE;
  s.closeCode = true;
  s.newest = NONE;
  if (w.rules.kickReplaces) s.setReplaced(kicked, Replaced.current + lease);
}

export type ReadResult = 'mine' | 'absent' | 'replaced' | 'kicked';

/** reconcile.lua, and what the node concludes from it. */
export function read(w: World, s: State, c: number, knowsDead: boolean): ReadResult {
  if (s.owner === c) {
    const settled = !w.rules.unsettledWaits || !s.unsettled(c);
    return s.lease === Lease.current && settled ? 'mine' : 'absent';
  }
  if (isTombstoned(s, c)) return 'kicked';
  return isOutranked(w, s, c, knowsDead) ? 'replaced' : 'absent';
}

/** Redis lost everything. */
export function empty(s: State): void {
  s.owner = NONE;
  s.holder = NONE;
  s.fence = 0;
  s.closeCode = false;
  s.newest = NONE;
  for (const e of CONNS) {
    s.setReplaced(e, Replaced.absent);
    s.setSeen(e, false);
  }
}
