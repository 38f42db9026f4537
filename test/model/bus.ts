import type { World } from './scenario.js';
import type { State } from './state.js';
import { ADMIN, CONNS, Phase, Replaced, Run, SENDERS, Wait } from './vocabulary.js';

/** A node hears its channel; one that is stopped will read it when it wakes. */
function hears(s: State, n: number): boolean {
  const run = s.run(n);
  return (run === Run.running || run === Run.paused || run === Run.frozen) && !s.stale(n);
}

/** C10: the channel of a former lease is listened on until what was claimed under it is reconciled. */
function hearsFormer(w: World, s: State, e: number): boolean {
  const phase = s.phase(e);
  const unreconciled = phase === Phase.unsynced || phase === Phase.reclaiming || phase === Phase.reclaimed;
  return unreconciled && hears(s, w.node(e));
}

/** What claim.lua and kick.lua publish: to the channel of the lease that the entry names, `lease` as in the replaced list. */
export function publishEvict(w: World, s: State, e: number, by: number, lease: number): void {
  const heard = lease === Replaced.current ? hears(s, w.node(e)) : hearsFormer(w, s, e);
  if (heard) s.setEvict(e, by, true);
}

/** The repeat of a waiting claimer. True when it changed something. */
export function resendEvict(w: World, s: State, e: number, by: number): boolean {
  const wait = s.wait(by, e);
  if (wait === Wait.nothing || s.evict(e, by) || s.ack(e, by)) return false;
  if (wait === Wait.oldChannel ? !hearsFormer(w, s, e) : !hears(s, w.node(e))) return false;
  s.setEvict(e, by, true);
  return true;
}

export function publishAck(w: World, s: State, e: number, by: number): void {
  if (by === ADMIN || s.stale(w.node(e)) || !hears(s, w.node(by))) return;
  s.setAck(e, by, true);
}

/** What is on its way to a node is lost with its subscription. */
export function dropMessages(w: World, s: State, n: number): void {
  for (const c of CONNS) {
    if (w.node(c) !== n) continue;
    for (const by of SENDERS) s.setEvict(c, by, false);
    for (const e of CONNS) s.setAck(e, c, false);
  }
}
