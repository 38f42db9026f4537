import {
  auditQuerySchema,
  clearQueueSchema,
  connectionsQuerySchema,
  disconnectBodySchema,
  type JSONSchema,
  jobsPageSchema,
  permissionsChangedBodySchema,
  publishSchema,
  queueReasonSchema,
  REST_BASE,
  retryFailedSchema,
  revokeBodySchema,
} from '@unified-ws/protocol';
import { RoleTable } from '@unified-ws/server/auth/roles';
import { systemClock } from '@unified-ws/server/clock';
import { loadCatalogue } from '@unified-ws/server/events/catalogue';
import { createRestApp, type RestParts } from '@unified-ws/server/rest/app';
import { loadSettings } from '@unified-ws/server/settings';
import type { RouteInput } from '../../../support/arbitraries/requests.js';

/** What is known of a route's input. One that is not here is fuzzed all the same, with anything. */
const INPUTS: Readonly<Record<string, { readonly body?: JSONSchema; readonly query?: JSONSchema }>> = {
  'POST /events': { body: publishSchema },
  'POST /broadcast': { body: publishSchema },
  'POST /disconnect/:user_id': { body: disconnectBodySchema },
  'POST /users/:user_id/revoke': { body: revokeBodySchema },
  'POST /users/:user_id/permissions-changed': { body: permissionsChangedBodySchema },
  'GET /connections': { query: connectionsQuerySchema },
  'POST /nodes/:node_id/drain': { body: queueReasonSchema },
  'DELETE /queue': { query: clearQueueSchema },
  'GET /queue/jobs': { query: jobsPageSchema },
  'DELETE /queue/jobs/:id': { query: queueReasonSchema },
  'POST /queue/jobs/:id/retry': { body: queueReasonSchema },
  'POST /queue/retry-failed': { body: retryFailedSchema },
  'POST /queue/pause': { body: queueReasonSchema },
  'POST /queue/resume': { body: queueReasonSchema },
  'GET /audit': { query: auditQuerySchema },
};

/** Answered to whoever asks (DESIGN §8); all others need a token. */
export const PUBLIC_PATHS: ReadonlySet<string> = new Set([
  '/livez',
  '/readyz',
  '/metrics',
  REST_BASE,
  `${REST_BASE}/info`,
  '/api/unified/openapi.json',
  '/api/unified/asyncapi.json',
]);

interface Layer {
  readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> };
}

/** All routes of a node, as its router knows them: a new one is among them by itself. */
export function routesOfNode(): RouteInput[] {
  const catalogue = loadCatalogue();
  const roles = new RoleTable(catalogue.raw);
  // Nothing of these is called: routes are mounted, and no request comes.
  const parts = { settings: loadSettings({}), roles: () => roles, catalogue: () => catalogue, clock: systemClock };
  const app = createRestApp({ ...parts, reports: {}, siblings: null } as unknown as RestParts);
  const { stack } = app.router as unknown as { readonly stack: readonly Layer[] };
  return stack.flatMap(({ route }) => {
    if (route === undefined) return [];
    const methods = Object.keys(route.methods).filter((method) => method !== '_all');
    return methods.map((name) => {
      const method = name.toUpperCase();
      const below = route.path.startsWith(`${REST_BASE}/`) ? route.path.slice(REST_BASE.length) : route.path;
      return { method, path: route.path, ...INPUTS[`${method} ${below}`] };
    });
  });
}

/** Names in the table above that no route has any more. */
export function orphanedInputs(routes: readonly RouteInput[]): string[] {
  const known = new Set(routes.map(({ method, path }) => `${method} ${path.replace(REST_BASE, '')}`));
  return Object.keys(INPUTS).filter((name) => !known.has(name));
}
