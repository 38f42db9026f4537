import { type EventState, MAX_OFFSET, START } from './state.js';
import type { Rules } from './switches.js';
import { Flaw } from './vocabulary.js';

/** The scripts of a log, each atomic. Mailbox and broadcast log are alike in this. */
export type Verdict = 'follows' | 'gone' | 'other';

/** Appends an event once (L2). Returns its tag, 0 for a repeat; undefined when the model has no room for one more. */
export function append(rules: Rules, s: EventState, event: number, size: number): number | undefined {
  const bit = 1 << (event - 1);
  if (rules.L2 && (s.seen & bit) !== 0) return 0;
  if (s.head === MAX_OFFSET) return undefined;
  if (s.epoch === 0) {
    const epoch = s.newEpoch();
    if (epoch === 0) return undefined;
    s.epoch = epoch;
    s.first = 1;
  }
  const offset = s.head + 1;
  const tag = s.newTag(event, s.epoch, offset, s.at(s.head));
  if (tag === 0) return undefined;
  if ((s.seen & bit) !== 0) s.setFlaw(Flaw.twice);
  s.seen |= bit;
  s.head = offset;
  s.setTagAt(offset, tag);
  if (s.head - s.first >= size) s.first += 1;
  return tag;
}

/**
 * L1: whether the log goes on from this position. `gone`: the entry there is, and with it the proof.
 *
 * @param floor the log keeps the tag of the newest entry that is gone.
 */
export function check(rules: Rules, s: EventState, position: number, floor: boolean): Verdict {
  const offset = s.offsetOf(position);
  // A log that was not there yet: whatever it begins with follows.
  if (position === START) return offset + 1 < s.first ? 'gone' : 'follows';
  if (rules.L1) {
    if (s.epochOf(position) !== s.epoch || offset > s.head) return 'other';
    if (rules.tagsCompared && offset > 0 && knowsTag(s, offset, floor) && s.tagAt(offset) !== position) return 'other';
  }
  if (offset + 1 < s.first) return 'gone';
  return offset === 0 || knowsTag(s, offset, floor) || !rules.goneIsReported ? 'follows' : 'gone';
}

function knowsTag(s: EventState, offset: number, floor: boolean): boolean {
  return offset >= s.first || offset === s.head || offset === s.acked || (floor && offset === s.first - 1);
}

/** Tag of the first entry after an offset that is there; 0 when there is none. */
export function entryAfter(s: EventState, offset: number): number {
  const next = Math.max(offset + 1, s.first);
  return next > s.head ? 0 : s.tagAt(next);
}

/** The log still has this entry in its history. */
export function isInHistory(s: EventState, position: number): boolean {
  const offset = s.offsetOf(position);
  if (offset === 0) return s.epochOf(position) === s.epoch;
  return offset <= s.head && s.tagAt(offset) === position;
}
