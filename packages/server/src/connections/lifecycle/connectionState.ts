import type { ConnectionStatus } from '@unified-ws/protocol';

/**
 * The states of a connection, as a table. Only `open` receives events. `recovering`: established, but perhaps not the user's current
 * connection, so nothing is delivered until the registry confirms it. `congested`: the peer reads more slowly than the node sends, so
 * nothing is written until the socket has emptied.
 */
export type ConnectionState =
  | 'authenticating'
  | 'claiming'
  | 'replaying'
  | 'open'
  | 'congested'
  | 'recovering'
  | 'closing'
  | 'closed';

export type ConnectionSignal =
  | 'authenticated'
  | 'held'
  | 'established'
  | 'congest'
  | 'drain'
  | 'suspend'
  | 'regain'
  | 'close'
  | 'gone';

const TABLE: Readonly<Record<ConnectionState, Partial<Record<ConnectionSignal, ConnectionState>>>> = {
  authenticating: { authenticated: 'claiming', close: 'closing', gone: 'closed' },
  claiming: { held: 'replaying', close: 'closing', gone: 'closed' },
  replaying: { established: 'open', close: 'closing', gone: 'closed' },
  open: { congest: 'congested', suspend: 'recovering', close: 'closing', gone: 'closed' },
  congested: { drain: 'open', suspend: 'recovering', close: 'closing', gone: 'closed' },
  recovering: { regain: 'open', close: 'closing', gone: 'closed' },
  closing: { gone: 'closed' },
  closed: {},
};

/** The next state, or null when the signal has no meaning in this state. */
export function nextState(state: ConnectionState, signal: ConnectionSignal): ConnectionState | null {
  return TABLE[state][signal] ?? null;
}

/** Names on the wire (`status`). */
export const WIRE_STATUS: Readonly<Record<ConnectionState, ConnectionStatus>> = {
  authenticating: 'connecting',
  claiming: 'connecting',
  replaying: 'connecting',
  open: 'connected',
  congested: 'recovering',
  recovering: 'recovering',
  closing: 'disconnecting',
  closed: 'disconnected',
};
