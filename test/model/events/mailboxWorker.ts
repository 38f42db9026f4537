import { append, isInHistory } from './log.js';
import type { MailboxState } from './mailboxState.js';
import type { Scenario } from './scenario.js';
import { Flaw, NONE } from './vocabulary.js';

/** What a worker does with a job that has two targets: the other one’s mailbox first, then ours, then the live message (L2, L9). */
export const Stage = { todo: 0, otherDone: 1, answered: 2 } as const;

export function appendToOther(w: Scenario, s: MailboxState): void {
  if (s.other === 0 || !w.rules.L2) s.other += 1;
  if (s.other > 1) s.setFlaw(Flaw.twice);
  s.stage = Stage.otherDone;
}

/** False when the model has no room for one more entry. */
export function appendToOurs(w: Scenario, s: MailboxState): boolean {
  const tag = append(w.rules, s, s.job, w.shape.size);
  if (tag === undefined) return false;
  const reported = tag > 0 || (w.rules.duplicateReported && s.head > 0);
  const reached = reported && s.owner !== NONE && !s.oldLease;
  s.answer = !reached ? 0 : tag > 0 ? tag : s.at(s.head);
  s.answerTo = reached ? (w.shape.nodes[s.owner] as number) : NONE;
  s.stage = Stage.answered;
  return true;
}

export function publish(s: MailboxState): void {
  // What Redis lost after it answered is published all the same, and may hide what took its place until the sweep.
  if (s.answer !== 0 && !isInHistory(s, s.answer)) s.setLossy();
  if (s.answerTo !== NONE && !s.stale(s.answerTo)) {
    s.setLive(s.answerTo, s.live(s.answerTo) | (1 << (s.answer - 1)));
  }
  startOver(s);
  s.job += 1;
  s.other = 0;
}

/** The job is delivered again, from the beginning. */
export function startOver(s: MailboxState): void {
  s.stage = Stage.todo;
  s.answer = 0;
  s.answerTo = NONE;
}
