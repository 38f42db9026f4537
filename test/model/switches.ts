/** The rules of the protocol that can be taken out, to see what each prevents. */
export const SWITCHES = {
  C1: 'a connection is in the table before its claim is sent',
  C2: 'claim.lua keeps and returns every owner replaced and not yet confirmed',
  C3: 'claim.lua itself publishes the evicts',
  C4: 'a fence never goes back, not even after Redis forgot',
  C5: 'an older attempt of the same client is refused',
  C6: 'the right to deliver is checked, not left to a timer',
  C12: 'after an interruption: reconcile first, deliver then',
} as const;

/** What the rules need besides, to hold in every state of this model. */
export const REFINEMENTS = {
  kickReplaces: 'kick.lua puts the kicked owner on the replaced list',
  attemptOutranksFence: 'an earlier attempt of the own client never replaces, whatever its fence',
  attemptsRemembered: 'the entry remembers the newest attempt of each client, not of the stored one alone',
  deadOutranks: 'a higher fence replaces, though its lease is dead or its owner was released',
  ownFenceStays: 'an entry without owner at the own fence (reaped meanwhile) is claimed again',
  unsettledWaits: 'who waits for its replaced list is not made to deliver by a read that says "mine"',
  deadAreWarned: 'claim.lua publishes the evict to dead leases too: waiting alone skips them',
  timeHeard: 'who hears a time ahead of its own writes nothing before a round trip has proved its lease',
  leaseBinds: 'what was waited for or settled under a lost lease gives no right under the next one',
  interruptionCloses: 'any interruption closes what was never established',
  confirmedIsGone: 'C4: a stored owner that the claimer has replaced is no newer one: Redis forgot the claim',
  shardMark: 'a shard that lost the mark which the node left there is an interruption',
  peerLeaseTime: 'a lease is dead, and a wait is over, by the lease time on the card of its own node',
} as const;

export type Switch = keyof typeof SWITCHES | keyof typeof REFINEMENTS;
export type Rules = Readonly<Record<Switch, boolean>>;

/** All rules in force but the ones named. */
export function rulesWithout(...off: readonly Switch[]): Rules {
  const names = [...Object.keys(SWITCHES), ...Object.keys(REFINEMENTS)] as Switch[];
  return Object.fromEntries(names.map((name) => [name, !off.includes(name)])) as Rules;
}
