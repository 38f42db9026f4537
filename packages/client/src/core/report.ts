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
