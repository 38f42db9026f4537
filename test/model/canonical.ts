import type { World } from './scenario.js';
import type { State } from './state.js';
import { ADMIN, CONNS, Lease, NODES, NONE, Phase, Run, Wait, Why } from './vocabulary.js';

/** Forgets what can no longer matter and renumbers the fences, so that states that behave alike are one. */
export function canonicalize(w: World, s: State): void {
  for (const c of CONNS) {
    const phase = s.phase(c);
    if (phase !== Phase.claimed && phase !== Phase.waiting && phase !== Phase.reclaimed) {
      for (const e of CONNS) s.setWait(c, e, Wait.nothing);
      s.clearListed(c);
    }
    if (phase !== Phase.closed) continue;
    s.setEstablished(c, false);
    s.setUnsettled(c, false);
    s.setGranted(c, 0);
    if (s.owner !== c) s.setReleasing(c, false);
  }
  for (const c of CONNS) forgetMessages(s, c);
  for (const n of NODES) if (s.run(n) === Run.killed) s.setStale(n, false);
  if (s.owner === NONE) s.lease = Lease.current;
  if (s.newest !== NONE && s.why(s.newest) === Why.excused) s.newest = NONE;
  if (s.holder !== NONE && !hasSibling(w, s, s.holder)) s.holder = NONE;
  for (const c of CONNS) if (s.seen(c) && !canRefuse(w, s, c)) s.setSeen(c, false);
  if (w.rules.C4) {
    // The next fence is greater than all of these: without an owner the stored one counts for those whom it outranks.
    if (s.owner === NONE && !outranksSomebody(s)) s.fence = 0;
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

/** Another attempt of the client is about. */
function hasSibling(w: World, s: State, c: number): boolean {
  if (!w.attempts) return false;
  for (const e of CONNS) if (e !== c && s.phase(e) !== Phase.closed && w.sameClient(e, c)) return true;
  return false;
}

function outranksSomebody(s: State): boolean {
  for (const c of CONNS) if (s.granted(c) !== 0 && s.granted(c) <= s.fence && s.phase(c) !== Phase.closed) return true;
  return false;
}

function renumberFences(s: State): void {
  const stored = s.fence;
  const copy = s.copyFence;
  const a = s.granted(0);
  const b = s.granted(1);
  const c = s.granted(2);
  const used = bit(stored) | bit(copy) | bit(a) | bit(b) | bit(c);
  s.fence = rank(stored, used);
  s.copyFence = rank(copy, used);
  s.setGranted(0, rank(a, used));
  s.setGranted(1, rank(b, used));
  s.setGranted(2, rank(c, used));
}

function bit(fence: number): number {
  return fence === 0 ? 0 : 1 << fence;
}

/** 0 for none, else 1 + how many of the fences in use lie below. */
function rank(fence: number, used: number): number {
  if (fence === 0) return 0;
  let ranked = 1;
  for (let below = used & ((1 << fence) - 1); below !== 0; below &= below - 1) ranked += 1;
  return ranked;
}
