import type { ConnectionFault } from '@unified-ws/protocol';
import type { Core } from '../../core.js';
import type { Settings } from '../../settings/settings.js';
import type { Connection } from './connection.js';
import type { ConnectionState } from './connectionState.js';

/** Limits for the health of a connection: MAX_BUFFERED_BYTES, PING_TIMEOUT_MS and a clock. */
export type HealthLimits = Pick<Settings, 'maxBufferedBytes' | 'pingTimeoutMs'> & Pick<Core, 'clock'>;

const FAULT_OF_STATE: Readonly<Record<ConnectionState, ConnectionFault | null>> = {
  authenticating: 'establishing',
  claiming: 'establishing',
  replaying: 'establishing',
  open: null,
  congested: 'congested',
  recovering: 'suspended',
  closing: null,
  closed: null,
};

/** Why a connection is not healthy. Empty: it delivers, and its peer answers, reads, and sends valid messages. */
export function faultsOf(connection: Connection, limits: HealthLimits): ConnectionFault[] {
  const faults: ConnectionFault[] = [];
  const state = FAULT_OF_STATE[connection.status];
  if (state !== null) faults.push(state);
  if (connection.buffered > limits.maxBufferedBytes / 2) faults.push('backlog');
  if (owesPong(connection, limits)) faults.push('unanswered_ping');
  if (connection.consecutiveErrors > 0) faults.push('errors');
  return faults;
}

/** Any byte counts as an answer. A peer that this node does not read from cannot answer (as in Liveness). */
function owesPong(connection: Connection, { clock, pingTimeoutMs }: HealthLimits): boolean {
  const { pongDue, socket, bytesSeen, ws } = connection;
  return pongDue !== 0 && clock.mono() > pongDue - pingTimeoutMs / 2 && socket.bytesRead === bytesSeen && !ws.isPaused;
}
