import { dropMessages, publishEvict } from './bus.js';
import { closeUnanswered, onInterruption, takeNewLease } from './node.js';
import { empty, kick } from './registry.js';
import type { World } from './scenario.js';
import type { State } from './state.js';
import { ADMIN, CONNS, NODES, NONE, Phase, Run, Wait, Why } from './vocabulary.js';

/** SIGSTOP. Requests in flight run on, what arrives is kept by the kernel. */
export function pause(s: State, n: number): void {
  s.setRun(n, Run.paused);
}

/** SIGCONT. If its lease ended meanwhile, the node learns it from a clock, not from a message. */
export function resume(s: State, n: number): void {
  s.setRun(n, Run.running);
}

/** A suspended machine: as SIGSTOP, but its clocks stand still too. */
export function freeze(s: State, n: number): void {
  s.setRun(n, Run.frozen);
}

/** Its right ends by the time of the cluster. By its own clocks it will not have when it wakes. */
export function outlive(w: World, s: State, n: number): void {
  s.setBehind(n, true);
  unbindWaits(w, s, n);
}

/** The next renewal, or a message, tells it the time: the lease is lost (C10). */
export function learn(s: State, n: number): void {
  s.setBehind(n, false);
  s.setValid(n, false);
}

/** Neither bus nor commands reach the node, or come from it. */
export function cut(w: World, s: State, n: number): void {
  s.setRun(n, Run.cut);
  dropMessages(w, s, n);
}

/** Nothing that is published reaches the node any more; it renews its lease all the same. */
export function deafen(w: World, s: State, n: number): void {
  s.setRun(n, Run.deaf);
  dropMessages(w, s, n);
}

/** The lease was never lost, but what the bus carried meanwhile was. */
export function hear(w: World, s: State, n: number): void {
  s.setRun(n, Run.running);
  s.setValid(n, true);
  onInterruption(w, s, n, false);
}

export function heal(w: World, s: State, n: number): void {
  notice(w, s, n);
}

export function kill(w: World, s: State, n: number): void {
  // What was in flight when Redis was emptied was lost with the link.
  const lostRequests = s.stale(n);
  s.setRun(n, Run.killed);
  s.setValid(n, false);
  s.setBehind(n, false);
  s.setStale(n, false);
  s.setUnproven(n, false);
  dropMessages(w, s, n);
  for (const c of CONNS) {
    if (w.node(c) !== n) continue;
    const phase = s.phase(c);
    if (phase === Phase.claiming || phase === Phase.doomedClaiming) s.setPhase(c, Phase.doomedClaiming);
    else if (phase === Phase.reclaiming || phase === Phase.doomedReclaiming) s.setPhase(c, Phase.doomedReclaiming);
    else closeUnanswered(s, c, Why.excused);
    if (lostRequests) closeUnanswered(s, c, Why.excused);
    if (phase !== Phase.idle && s.why(c) === Why.open) s.setWhy(c, Why.excused);
    s.setReleasing(c, false);
  }
  unbindWaits(w, s, n);
}

/** SIGTERM: every socket is closed (4200), then the lease is marked as ended: failure detectors need not wait for its beats. */
export function stop(w: World, s: State, n: number): void {
  kill(w, s, n);
  s.setDead(n, true);
}

/** validUntil passes on a node whose renewals or whose own bus messages stopped. */
export function expire(w: World, s: State, n: number): void {
  s.setValid(n, false);
  unbindWaits(w, s, n);
}

/** From here on a replace time-out proves that the owners on this node do not deliver. */
function unbindWaits(w: World, s: State, n: number): void {
  for (const c of CONNS) {
    if (w.node(c) !== n) continue;
    for (const by of CONNS) if (s.wait(by, c) === Wait.acknowledgement) s.setWait(by, c, Wait.orTimeout);
  }
}

export function renew(w: World, s: State, n: number): void {
  dropMessages(w, s, n);
  takeNewLease(w, s, n);
  onInterruption(w, s, n, true);
}

/** All keys are gone. Every node will notice that its links broke, each in its own time, within its lease. */
export function emptyRedis(w: World, s: State): void {
  empty(s);
  // The replica is resynchronized: it is as empty.
  s.forgetCopy();
  restart(w, s);
}

/** What was written after the replica fell behind is gone. */
export function failOver(w: World, s: State): void {
  s.restoreEntry();
  s.newest = NONE;
  restart(w, s);
}

/** The same on the user's shard alone: leases, bus and links know nothing of it. */
export function failOverAlone(s: State): void {
  s.restoreEntry();
  s.newest = NONE;
  for (const n of NODES) if (s.run(n) !== Run.killed) s.setUnproven(n, true);
}

/** With each beat, C12: the mark is older than the one that was confirmed, or it is gone. */
export function askMark(w: World, s: State, n: number): void {
  s.setUnproven(n, false);
  if (w.rules.shardMark) onInterruption(w, s, n, false);
}

function restart(w: World, s: State): void {
  for (const n of NODES) if (s.run(n) !== Run.killed) s.setStale(n, true);
  for (const c of CONNS) {
    const inFlight = s.phase(c) === Phase.doomedClaiming || s.phase(c) === Phase.doomedReclaiming;
    if (inFlight && s.run(w.node(c)) === Run.killed) s.setPhase(c, Phase.closed);
  }
}

export function notice(w: World, s: State, n: number): void {
  s.setStale(n, false);
  s.setRun(n, Run.running);
  dropMessages(w, s, n);
  if (s.valid(n)) onInterruption(w, s, n, false);
  else renew(w, s, n);
}

/** An admin's disconnect got no answer in time: the command is still on its way, the tombstone is written (C15). */
export function kickOwner(w: World, s: State): void {
  const kicked = s.owner;
  const wasListed = s.replaced(kicked);
  kick(w, s);
  const listed = s.replaced(kicked);
  // The command went to the lease of the entry, whether kick.lua lists its owner or not.
  if (!w.rules.kickReplaces) s.setReplaced(kicked, 1 + s.lease);
  publishEvict(w, s, kicked, ADMIN, s.replaced(kicked));
  s.setReplaced(kicked, w.rules.kickReplaces ? listed : wasListed);
}
