/** Why the connection is in its state. */
export type StateReason =
  /** The first attempt, or `reconnect()`. */
  | 'requested'
  /** The network, the server or something between them ended the connection. */
  | 'lost'
  /** No sign of life came, and no answer to a ping. */
  | 'silent'
  /** The server asked to come back (4200–4299): `code` and `message` say why. */
  | 'come_back'
  /** The node is shutting down; the next connection is prepared. */
  | 'draining'
  /** The subscriptions were changed elsewhere: the client sets them again and resumes. */
  | 'resubscribing'
  /** No token could be had, or the server refused it (4100–4199). */
  | 'token'
  /** `getToken` threw an `UnauthorizedError`. */
  | 'unauthorized'
  /** A newer connection of the user took the place of this one (4001). */
  | 'replaced'
  /** The server does not want this client back (4002–4099, and protocol faults). */
  | 'refused'
  /** `close()` or `logout()`. */
  | 'closed';

interface StateFacts {
  readonly reason: StateReason | null;
  /** The close code of the last connection that ended; null: none has, or the client ended it. */
  readonly code: number | null;
  /** The close reason that the server gave, for people; empty: none. */
  readonly message: string;
  /** When the next attempt is due, milliseconds since 1970; null: it is under way, or none is planned. */
  readonly retryAt: number | null;
  /** Attempts since the last stable connection. */
  readonly attempt: number;
  /** Whether the client goes on by itself. */
  readonly willRetry: boolean;
}

/** `S`, and what is known of it beyond StateFacts. Plain data; a new object for each change. */
type State<S extends string, F extends Partial<StateFacts> = Partial<StateFacts>> = {
  readonly status: S;
} & Omit<StateFacts, keyof F> &
  Readonly<F>;

export type ConnectionState =
  /** Nothing was asked for yet. */
  | State<'idle', { reason: null; code: null; retryAt: null; willRetry: false }>
  /** The first connection is not established yet. */
  | State<'connecting', { willRetry: true }>
  /** Events come as they happen. */
  | State<'connected', { reason: null; code: null; retryAt: null; willRetry: true }>
  /** The connection is there, but being checked, replaced or resumed again. */
  | State<'recovering', { reason: StateReason; willRetry: true }>
  /** There is no connection; the next one resumes where this one ended. */
  | State<'reconnecting', { reason: StateReason; willRetry: true }>
  /** Nothing more happens until `reconnect()`. */
  | State<'failed', { reason: StateReason; retryAt: null; willRetry: false }>
  /** For good. */
  | State<'closed', { reason: 'closed'; retryAt: null; willRetry: false }>;

export type ConnectionStatus = ConnectionState['status'];

/** Which state may follow. Anything else comes too late (a callback of a connection that was given up) and changes nothing. */
export const TRANSITIONS: Readonly<Record<ConnectionStatus, readonly ConnectionStatus[]>> = {
  idle: ['connecting', 'closed'],
  connecting: ['connecting', 'connected', 'failed', 'closed'],
  connected: ['recovering', 'reconnecting', 'failed', 'closed'],
  recovering: ['recovering', 'connected', 'reconnecting', 'failed', 'closed'],
  reconnecting: ['reconnecting', 'connected', 'failed', 'closed'],
  failed: ['connecting', 'closed'],
  closed: [],
};

export const IDLE: ConnectionState = {
  status: 'idle',
  reason: null,
  code: null,
  message: '',
  retryAt: null,
  attempt: 0,
  willRetry: false,
};
