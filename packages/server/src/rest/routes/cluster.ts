import { REST_BASE } from '@unified-ws/protocol';
import type { EventCatalogue } from '../../events/catalogue.js';
import type { Reports } from '../../operations/reports.js';
import type { Settings } from '../../settings.js';
import type { Gate } from '../auth.js';
import { cors } from '../cors.js';
import { Info } from '../info.js';
import { RestProblem } from '../problem.js';
import type { Router } from '../router.js';

export interface ClusterRouteParts {
  readonly settings: Settings;
  readonly catalogue: () => EventCatalogue;
  readonly reports: Pick<Reports, 'stats' | 'health' | 'errors'>;
}

/** What the cluster is, does and suffers. */
export function clusterRoutes(router: Router, gate: Gate, { settings, catalogue, reports }: ClusterRouteParts): void {
  const mayRead = gate.authorise('admin:stats');
  const info = new Info(settings, catalogue);
  router.route(`${REST_BASE}/stats`, {
    get: [mayRead, async (_request, response) => void response.json(await reports.stats.read())],
  });
  router.route(`${REST_BASE}/health`, {
    get: [mayRead, async (_request, response) => void response.json(await reports.health.read())],
  });
  router.route(`${REST_BASE}/errors`, {
    get: [mayRead, async (_request, response) => void response.json(await reports.errors.read())],
  });
  router.route(`${REST_BASE}/info`, { get: [(_request, response) => void response.json(info.read())] }, [
    cors(settings.allowedOrigins),
  ]);
  // The same path opens a WebSocket; whoever forgets the Upgrade header is told so instead of 404.
  router.route(REST_BASE, {
    get: [
      () => {
        // Without `close` Node.js keeps the connection, even of a client that asked for its end and waits for it.
        const headers = { Upgrade: 'websocket', Connection: 'Upgrade, close' };
        throw new RestProblem(426, 'METHOD_NOT_ALLOWED', 'This address takes WebSocket upgrades only.', { headers });
      },
    ],
  });
}
