import type { Clock } from '../clock.js';
import type { Connection } from '../edge/connection.js';
import { WIRE_STATUS } from '../edge/states.js';
import type { Handlers } from './dispatcher.js';

export interface HealthHandlerParts {
  readonly clock: Clock;
  readonly nodeId: string;
  /** Half of it in the socket means that the peer does not keep up. */
  readonly maxBufferedBytes: number;
  readonly maxConsecutiveErrors: number;
}

/** Whether a connection is well: it delivers, its peer answers, reads, and sends sense. */
export function isHealthy(connection: Connection, limits: Pick<HealthHandlerParts, 'maxBufferedBytes'>): boolean {
  return (
    connection.status === 'open' &&
    connection.buffered <= limits.maxBufferedBytes / 2 &&
    connection.consecutiveErrors === 0
  );
}

export function healthHandlers(parts: HealthHandlerParts): Pick<Handlers, 'get_connection_status' | 'health_check'> {
  const { clock, nodeId } = parts;
  return {
    get_connection_status: (connection) => ({
      user_id: connection.userId,
      username: connection.identity?.username ?? null,
      connection_id: connection.id,
      node_id: nodeId,
      status: WIRE_STATUS[connection.status],
      connected_at: time(connection.connectedAt),
      is_healthy: isHealthy(connection, parts),
      subscriptions: [...(connection.types?.names ?? [])],
      message_count: connection.messages,
      last_activity: time(connection.lastActivity),
      fence: Number(connection.fence),
    }),
    health_check: (connection) => ({
      connection_healthy: isHealthy(connection, parts),
      websocket_state: WIRE_STATUS[connection.status],
      last_ping: connection.lastPing === 0 ? null : time(connection.lastPing),
      last_pong: connection.lastPong === 0 ? null : time(connection.lastPong),
      message_queue_size: connection.buffered,
      consecutive_errors: connection.consecutiveErrors,
      server_time: time(clock.now()),
      node: nodeId,
    }),
  };
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
