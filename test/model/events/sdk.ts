import { isInHistory } from './log.js';
import type { EventState } from './state.js';
import { Flaw } from './vocabulary.js';

/** The SDK's side, and with it I4: what an instance received or was told of, event by event. */

/** A page was loaded anew: an instance that knows nothing. */
export function forget(s: EventState, client: number): void {
  s.setPosition(client, 0);
  s.setGot(client, 0);
  s.setReported(client, 0);
  s.setAgain(client, 0);
}

export function receive(s: EventState, client: number, tag: number): void {
  const bit = 1 << (s.eventOf(tag) - 1);
  if ((s.got(client) & bit & ~s.again(client)) !== 0) s.setFlaw(Flaw.repeat);
  // What Redis lost is owed to nobody: only the log as it is counts.
  if (isInHistory(s, tag) && (owed(s, s.offsetOf(tag) - 1) & ~known(s, client)) !== 0) s.setFlaw(Flaw.hole);
  s.setGot(client, s.got(client) | bit);
  s.ever |= bit;
  s.setPosition(client, tag);
}

/** Told that what lies before `start` may be missing, and that what is received may be received again. */
export function tell(s: EventState, client: number, start: number): void {
  s.setAgain(client, s.again(client) | s.got(client));
  begin(s, client, start);
}

/** Everything after `start` is promised. */
export function begin(s: EventState, client: number, start: number): void {
  // Of a history that is gone again nothing is promised: the server has to notice, and to tell.
  if (isInHistory(s, start)) {
    s.setReported(client, s.reported(client) | owed(s, s.offsetOf(start)));
    s.ever |= s.reported(client);
  }
  s.setPosition(client, start);
}

/** Lacks nothing of the log as it is. */
export function hasAll(s: EventState, client: number): boolean {
  return (owed(s, s.head) & ~known(s, client)) === 0;
}

function known(s: EventState, client: number): number {
  return s.got(client) | s.reported(client);
}

/** Bit per event at the offsets up to this one. */
export function owed(s: EventState, upTo: number): number {
  let events = 0;
  for (let offset = 1; offset <= upTo; offset += 1) events |= 1 << (s.eventOf(s.tagAt(offset)) - 1);
  return events;
}
