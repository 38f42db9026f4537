/** The rules of the log and the mailbox that can be taken out, to see what each prevents. */
export const SWITCHES = {
  L1: 'a position names its epoch and its tag, and both are compared',
  L2: 'an id that was appended is not appended again',
  L3: 'from before the claim on, a live message raises the head that is replayed to',
  L4: 'the head in Redis is read now and then: a lost last message is seen by nobody',
  L5: 'a flush is written to those whose position is where it begins, nobody else',
  L8: 'an acknowledgement counts only from the current connection',
} as const;

/** What these say in detail, each found to be needed in some state of the models. */
export const REFINEMENTS = {
  tagsCompared: 'L1: equal epochs and a head that is not lower do not do, the tags decide',
  tagsJoin: 'L1, L5: a reader has caught up when its tag is the position’s, not when the offsets meet',
  goneIsReported: 'L1: where the entry at the position is gone, nothing proves that the next one follows: announced',
  aheadIsChecked: 'L4, L5: a reader ahead of its node is checked against Redis in the check of the tail as well',
  movedWhileReading: 'L5: a reader that finds nothing waits only if its node did not move since it asked',
  joinsAtWritten: 'L5: a connection joins its cohort at the position that was written, not at the newest entry taken',
  decidedByRedis: 'L5: a resume position is checked against the head in Redis, not the node’s',
  positionIsOwn: 'L6: a heartbeat tells the position of the connection, not the position of the node',
  liveFollows: 'L3: a live message is written only when the position is the entry before it',
  oldIsDropped: 'L3: a live message at or before the position is dropped',
  heardWhileReading: 'L3: what is heard while a page is read counts: the head of the page alone does not',
  duplicateReported: 'L2: the answer to a repeated append is published as the first would have been',
  headAfterLease: 'C10, C12: the head is read when the new lease is in the entry, not before',
  ackSent: 'L8: an acknowledgement of what was not sent does not count',
  ackIgnored: 'L8: such a one is ignored: clamped, it acknowledges the events of another history',
  ackTagged: 'L8: an acknowledgement counts only if the entry there has its tag',
  ackedIsReported: 'L8: what another device acknowledged meanwhile is announced (partial)',
  trimIsReported: 'L8: what was trimmed before it was replayed is announced (gap)',
} as const;

export type Switch = keyof typeof SWITCHES | keyof typeof REFINEMENTS;
export type Rules = Readonly<Record<Switch, boolean>>;

/** All rules in force but the ones named. */
export function rulesWithout(...off: readonly Switch[]): Rules {
  const names = [...Object.keys(SWITCHES), ...Object.keys(REFINEMENTS)] as Switch[];
  return Object.fromEntries(names.map((name) => [name, !off.includes(name)])) as Rules;
}
