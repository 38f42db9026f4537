import { CLOSE, CONNECTION_STATUSES } from '@unified-ws/protocol';
import type { Connection } from './connection.js';
import { WIRE_STATUS } from './connectionState.js';
import type { ConnectionTable } from './connectionTable.js';
import type { Sockets } from './sockets.js';
import type { UnregisteredConnections } from './unregistered.js';

interface Surveyed {
  readonly table: Pick<ConnectionTable, 'all' | 'size'>;
  readonly unregistered: Pick<UnregisteredConnections, 'all' | 'size'>;
  readonly sockets: Pick<Sockets, 'size' | 'pendingAuth' | 'closed'>;
}

/** Walks all connections of this node: a millisecond for 50,000 of them. Called rarely. */
export function surveyConnections({ table, unregistered, sockets }: Surveyed) {
  const byStatus = new Map<string, number>(CONNECTION_STATUSES.map((status) => [status, 0]));
  const add = (status: string, by: number): void => {
    byStatus.set(status, (byStatus.get(status) ?? 0) + by);
  };
  let withErrors = 0;
  let healthy = 0;
  let bufferedBytes = 0;
  for (const connections of [table.all(), unregistered.all()] as Iterable<Connection>[]) {
    for (const connection of connections) {
      add(WIRE_STATUS[connection.status], 1);
      if (connection.consecutiveErrors > 0) withErrors += 1;
      if (connection.isHealthy()) healthy += 1;
      bufferedBytes += connection.buffered;
    }
  }
  const pending = sockets.pendingAuth;
  add(WIRE_STATUS.authenticating, pending);
  // A closing connection leaves the table at once, but is gone only when TCP is closed.
  add(WIRE_STATUS.closing, Math.max(0, sockets.size - table.size - unregistered.size - pending));
  return {
    byStatus: Object.fromEntries(byStatus),
    healthy,
    withErrors,
    bufferedBytes,
    closedByCode: closedByCode(sockets.closed),
  };
}

const OWN_CODES: ReadonlySet<number> = new Set(Object.values(CLOSE));

/** A peer may close with any code: only codes with a meaning are counted separately. */
function closedByCode(closed: ReadonlyMap<number, number>): Record<string, number> {
  const byCode: Record<string, number> = {};
  for (const [code, count] of closed) {
    const known = (code >= 1000 && code <= 1015) || OWN_CODES.has(code);
    const name = known ? String(code) : 'other';
    byCode[name] = (byCode[name] ?? 0) + count;
  }
  return byCode;
}
