import type { ConnectionState } from '../connectionState.js';

/** A change of state. */
export type Transition = ConnectionState & {
  /** Milliseconds since 1970. */
  readonly at: number;
};

/**
 * What is counted. `events` were handed to handlers, `repeats` came again and were dropped, `rubbish` is no message of the protocol,
 * `closed_<code>` are connections that ended.
 */
export type Counted =
  | 'attempts'
  | 'connections'
  | 'messages'
  | 'events'
  | 'repeats'
  | 'gaps'
  | 'acks'
  | 'rubbish'
  | 'errors'
  | `closed_${number}`;

/** What `report()` returns: JSON without secrets. */
export interface Report {
  readonly state: ConnectionState;
  /** The last 200, oldest first. */
  readonly transitions: readonly Transition[];
  /** Since the client was made. What is not there is 0. */
  readonly counts: Readonly<Partial<Record<Counted, number>>>;
}
