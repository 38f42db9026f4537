import { compact } from './compact.js';
import { MAILBOX_REFERENCES, type MailboxState, Page, Phase } from './mailboxState.js';
import { mayForget, type Scenario } from './scenario.js';
import { CONNS, NODES } from './vocabulary.js';

/** Nobody reads what is written here any more, and nothing that comes from here depends on it. */
export function isMute(s: MailboxState, c: number): boolean {
  return s.broken(c) && s.ack(c) === 0;
}

/** Forgets what can no longer matter, so that states that behave alike are one. */
export function canonicalize(w: Scenario, s: MailboxState): void {
  for (const c of CONNS) {
    const phase = s.phase(c);
    if (phase === Phase.closed) {
      s.setBroken(c);
      s.setResume(c, 0);
      s.setAnnounce(c, false);
      stopReading(s, c);
      if (w.rules.L8 && s.owner !== c) s.setAck(c, 0);
    }
    if (phase === Phase.closed || phase === Phase.idle) s.setEvicted(c, false);
    if (isMute(s, c) && (phase === Phase.replaying || phase === Phase.open)) {
      s.setPhase(c, Phase.open);
      stopReading(s, c);
    }
  }
  for (const n of NODES) if (s.live(n) !== 0 && !mayHear(w, s, n)) s.setLive(n, 0);
  if (mayForget(w)) compact(s, MAILBOX_REFERENCES);
}

function stopReading(s: MailboxState, c: number): void {
  s.setConnectionPosition(c, 0);
  s.setHeard(c, 0);
  s.setPage(c, Page.none, 0, false, 0);
}

/** Somebody is connected here, or may still come. */
function mayHear({ shape }: Scenario, s: MailboxState, n: number): boolean {
  return CONNS.some((c) => shape.nodes[c] === n && (shape.clients[c] as number) >= 0 && s.phase(c) !== Phase.closed);
}
