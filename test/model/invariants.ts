import { delivers } from './node.js';
import { ownerIsDead } from './registry.js';
import type { World } from './scenario.js';
import type { State } from './state.js';
import { CONNS, Lease, NONE, Phase, Run, Why } from './vocabulary.js';

export const INVARIANTS = {
  I1: 'two connections of a user deliver at the same time',
  I2: 'at rest not exactly one connection is established, the newest claim, the registry’s',
  I3: 'at rest a live connection is unregistered, or the owner is a ghost',
  I5: 'an earlier attempt of a device ended its later one',
} as const;
export type Invariant = keyof typeof INVARIANTS;

/** In every state. */
export function violation(w: World, s: State): Invariant | undefined {
  if (s.ownAttemptEnded) return 'I5';
  for (const c of CONNS) {
    if (!delivers(w, s, c)) continue;
    for (let other = c + 1; other < 3; other += 1) {
      if (delivers(w, s, other) && !w.sameClient(c, other)) return 'I1';
    }
  }
  return undefined;
}

/** When nothing is left to do. */
export function violationAtEnd(w: World, s: State): Invariant | undefined {
  let established = NONE;
  let connected = false;
  let excused = false;
  for (const c of CONNS) {
    const phase = s.phase(c);
    if (phase === Phase.idle) continue;
    connected = true;
    if (phase === Phase.closed) {
      if (s.why(c) === Why.excused) excused = true;
      continue;
    }
    if (phase !== Phase.established || established !== NONE) return 'I2';
    established = c;
  }
  if (established !== NONE) {
    const n = w.node(established);
    if (s.owner !== established || s.lease !== Lease.current || s.fence !== s.granted(established)) return 'I3';
    if (s.run(n) !== Run.running || !s.valid(n) || s.behind(n)) return 'I2';
  } else {
    // A release that a fail-over lost leaves a ghost until the next claim.
    const { failover, shard } = w.scenario.faults;
    const lostRelease = failover !== undefined || shard !== undefined;
    if (s.owner !== NONE && !ownerIsDead(w, s) && !lostRelease) return 'I3';
    // Everybody was told that a newer connection serves the user, and none does.
    if (connected && !excused) return 'I2';
  }
  return s.newest === NONE || isServed(w, s, s.newest, established) ? undefined : 'I2';
}

/** The device of the newest claim hears on the newest of its attempts that arrived, or left by itself. */
function isServed(w: World, s: State, newest: number, established: number): boolean {
  let listened = newest;
  for (const c of CONNS) if (w.isEarlierAttempt(listened, c) && s.phase(c) !== Phase.idle) listened = c;
  if (established === listened || s.why(listened) === Why.excused) return true;
  // Redis forgot the attempts too.
  const { empty, failover, shard } = w.scenario.faults;
  // Whoever replaced it comes back: an evict outlives the claim that the shard lost.
  if (shard !== undefined && established === NONE) return true;
  return (empty !== undefined || failover !== undefined || shard !== undefined) && established === newest;
}
