import { faultsOf, type HealthLimits } from '../../connections/lifecycle/connectionHealth.js';
import { WIRE_STATUS } from '../../connections/lifecycle/connectionState.js';
import type { Core } from '../../core.js';
import type { Handlers } from '../dispatcher.js';

export function healthHandlers(
  parts: HealthLimits & Pick<Core, 'nodeId'>,
): Pick<Handlers, 'get_connection_status' | 'health_check'> {
  const { clock, nodeId } = parts;
  return {
    get_connection_status: (connection) => {
      const faults = faultsOf(connection, parts);
      return {
        user_id: connection.userId,
        username: connection.identity?.username ?? null,
        connection_id: connection.id,
        node_id: nodeId,
        status: WIRE_STATUS[connection.status],
        connected_at: time(connection.connectedAt),
        is_healthy: faults.length === 0,
        health_reasons: faults,
        subscriptions: [...(connection.types?.names ?? [])],
        message_count: connection.messages,
        last_activity: time(connection.lastActivity),
        fence: Number(connection.fence),
      };
    },
    health_check: (connection) => {
      const faults = faultsOf(connection, parts);
      return {
        connection_healthy: faults.length === 0,
        health_reasons: faults,
        websocket_state: WIRE_STATUS[connection.status],
        last_ping: connection.lastPing === 0 ? null : time(connection.lastPing),
        last_pong: connection.lastPong === 0 ? null : time(connection.lastPong),
        message_queue_size: connection.buffered,
        consecutive_errors: connection.consecutiveErrors,
        server_time: time(clock.now()),
        node: nodeId,
      };
    },
  };
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
