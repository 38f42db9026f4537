import type { ConnectionState } from './connectionState.js';

/** A change of state. */
export type Transition = ConnectionState & {
  /** Milliseconds since 1970. */
  readonly at: number;
};

/** What happened since the client was made. */
export interface ReportCounts {
  attempts: number;
  connections: number;
  messages: number;
  /** Events that were handed to handlers. */
  events: number;
  /** Events that came again and were dropped. */
  repeats: number;
  gaps: number;
  acks: number;
  /** What came and was no message of the protocol. */
  rubbish: number;
  errors: number;
}

/** What `report()` returns: JSON without secrets. */
export interface Report {
  readonly state: ConnectionState;
  /** The last 200, oldest first. */
  readonly transitions: readonly Transition[];
  readonly counts: Readonly<ReportCounts>;
  /** Connections that ended, by close code. */
  readonly closes: Readonly<Record<number, number>>;
}

const KEPT = 200;

export class Journal {
  readonly counts: ReportCounts = {
    attempts: 0,
    connections: 0,
    messages: 0,
    events: 0,
    repeats: 0,
    gaps: 0,
    acks: 0,
    rubbish: 0,
    errors: 0,
  };
  private readonly closes: Record<number, number> = {};
  private readonly transitions: Transition[] = [];

  add(transition: Transition): void {
    this.transitions.push(transition);
    if (this.transitions.length > KEPT) this.transitions.shift();
  }

  closed(code: number): void {
    this.closes[code] = (this.closes[code] ?? 0) + 1;
  }

  report(state: ConnectionState): Report {
    return { state, transitions: [...this.transitions], counts: { ...this.counts }, closes: { ...this.closes } };
  }
}
