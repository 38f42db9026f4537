import type { World } from './scenario.js';
import { ADMIN, CONNS, Lease, NODES, NONE, Phase, Run, type State, Wait, Why } from './state.js';

/** Forgets what can no longer matter and renumbers the fences, so that states that behave alike are one. */
export function canonicalize(w: World, s: State): void {
  for (const c of CONNS) {
    const phase = s.phase(c);
    if (phase !== Phase.claimed && phase !== Phase.waiting && phase !== Phase.reclaimed) {
      for (const e of CONNS) s.setWait(c, e, Wait.nothing);
    }
    if (phase !== Phase.closed) continue;
    s.setHello(c, false);
    s.setUnsettled(c, false);
    if (s.owner !== c) s.setReleasing(c, false);
  }
  for (const c of CONNS) forgetMessages(s, c);
  // A closed claimer's fence counts as long as an evict that it asked for is on its way.
  const sent = s.evicts(0) | s.evicts(1) | s.evicts(2);
  for (const c of CONNS) if (s.phase(c) === Phase.closed && (sent & (1 << c)) === 0) s.setGranted(c, 0);
  for (const n of NODES) if (s.run(n) === Run.killed) s.setStale(n, false);
  if (s.owner === NONE) s.lease = Lease.current;
  if (s.newest !== NONE && s.why(s.newest) === Why.excused) s.newest = NONE;
  if (s.holder !== NONE && !canRefuse(w, s, s.holder)) s.holder = NONE;
  for (const c of CONNS) if (s.seen(c) && !canRefuse(w, s, c)) s.setSeen(c, false);
  if (w.rules.C4) {
    // The next fence is greater than all of these: the stored one counts only beside an owner or in a tombstone.
    if (s.owner === NONE && !s.closeCode) s.fence = 0;
    renumberFences(s);
  }
}

function forgetMessages(s: State, c: number): void {
  if (s.evicts(c) === 0 && s.acks(c) === 0) return;
  const phase = s.phase(c);
  const gone =
    phase === Phase.closed ||
    phase === Phase.doomedClaiming ||
    phase === Phase.doomedClaimed ||
    phase === Phase.doomedReclaiming;
  if (gone) s.setEvict(c, ADMIN, false);
  for (const by of CONNS) {
    if (s.wait(by, c) !== Wait.nothing) continue;
    s.setAck(c, by, false);
    if (gone) s.setEvict(c, by, false);
  }
}

/** There is an earlier attempt that a remembered one can still refuse. */
function canRefuse(w: World, s: State, remembered: number): boolean {
  if (!w.attempts) return false;
  for (const c of CONNS) if (s.phase(c) !== Phase.closed && w.isEarlierAttempt(c, remembered)) return true;
  return false;
}

function renumberFences(s: State): void {
  const stored = s.fence;
  const a = s.granted(0);
  const b = s.granted(1);
  const c = s.granted(2);
  s.fence = rank(stored, a, b, c);
  s.setGranted(0, rank(a, stored, b, c));
  s.setGranted(1, rank(b, stored, a, c));
  s.setGranted(2, rank(c, stored, a, b));
}

/** 0 for none, else 1 + how many different fences lie below. */
function rank(fence: number, x: number, y: number, z: number): number {
  if (fence === 0) return 0;
  let below = 1;
  if (x > 0 && x < fence) below += 1;
  if (y > 0 && y < fence && y !== x) below += 1;
  if (z > 0 && z < fence && z !== x && z !== y) below += 1;
  return below;
}
