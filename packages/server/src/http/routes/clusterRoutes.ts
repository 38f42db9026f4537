import { cors } from '../request/cors.js';
import { Info } from '../request/info.js';
import type { RestParts } from '../request/restParts.js';
import { RestProblem } from '../request/restProblem.js';
import type { Router } from '../request/router.js';

/** The WebSocket endpoint, and the state of the cluster. */
export function clusterRoutes(router: Router, { settings, catalogue, reports }: RestParts): void {
  const info = new Info(settings, catalogue);
  router.operation('getStats', () => reports.stats.read());
  router.operation('getHealth', () => reports.health.read());
  router.operation('getErrors', () => reports.errors.read());
  router.operation('getInfo', () => info.read(), { before: [cors(settings.allowedOrigins)] });
  // The same path opens a WebSocket. A request without the Upgrade header gets 426 instead of 404.
  router.raw('openWebSocket', [
    () => {
      // Without `close`, Node.js keeps the connection open, even if the client asked to close it and waits.
      const headers = { Upgrade: 'websocket', Connection: 'Upgrade, close' };
      throw new RestProblem(426, 'METHOD_NOT_ALLOWED', 'This path accepts only WebSocket upgrades.', { headers });
    },
  ]);
}
