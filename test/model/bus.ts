import type { World } from './scenario.js';
import type { State } from './state.js';
import { ADMIN, CONNS, Displaced, Run, SENDERS, Wait } from './vocabulary.js';

/** A node hears its channel; a paused one will read it when it wakes. */
function hears(s: State, n: number): boolean {
  return (s.run(n) === Run.running || s.run(n) === Run.paused) && !s.stale(n);
}

/** What claim.lua and kick.lua publish: to the channel of the lease that the entry names. */
export function publishEvict(w: World, s: State, e: number, by: number): void {
  if (s.displaced(e) === Displaced.current && hears(s, w.node(e))) s.setEvict(e, by, true);
}

/** The repeat of a waiting claimer. True when it changed something. */
export function resendEvict(w: World, s: State, e: number, by: number): boolean {
  const wait = s.wait(by, e);
  if (wait !== Wait.acknowledgement && wait !== Wait.orTimeout) return false;
  if (s.evict(e, by) || s.ack(e, by) || !hears(s, w.node(e))) return false;
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
