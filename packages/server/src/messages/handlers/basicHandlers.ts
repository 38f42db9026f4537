import { AppError } from '../../util/appError.js';
import type { Clock } from '../../util/clock.js';
import type { Handlers } from '../dispatcher.js';

/** `ping` and `pong` messages. `connections/lifecycle/liveness.ts` sends the WebSocket pings. */
export function basicHandlers(clock: Clock): Pick<Handlers, 'ping' | 'pong'> {
  return {
    ping: (connection) => ({
      timestamp: new Date(clock.now()).toISOString(),
      connection_health: connection.isHealthy(),
      uptime: (clock.now() - connection.connectedAt) / 1000,
    }),
    pong: (connection, { connection_id }) => {
      if (connection_id !== undefined && connection_id !== connection.id) {
        throw new AppError('VALIDATION_ERROR', 'This is not the id of this connection.');
      }
      connection.ponged();
      return undefined;
    },
  };
}
