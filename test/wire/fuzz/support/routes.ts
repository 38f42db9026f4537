import { base64urlPath, type RestOperation, restOperations, WS_PATH } from '@unified-ws/protocol';
import { RoleTable } from '@unified-ws/server/auth/roleTable';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import type { RestParts } from '@unified-ws/server/http/request/restParts';
import type { Router } from '@unified-ws/server/http/request/router';
import { createRestApp } from '@unified-ws/server/http/restApp';
import { legacyRoutes } from '@unified-ws/server/legacy/routes/legacyRoutes';
import { rolloutRoutes } from '@unified-ws/server/legacy/routes/rolloutRoutes';
import { loadSettings } from '@unified-ws/server/settings/settings';
import { systemClock } from '@unified-ws/server/util/clock';
import type { RouteInput } from '../../../support/arbitraries/requests.js';

interface Layer {
  readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> };
}

/** What the router of a node really has, as `GET /path/:parameter`. */
function routesOfRouter(): string[] {
  const catalogue = loadCatalogue();
  const roles = new RoleTable(catalogue.raw);
  // Nothing of these is called: routes are mounted, and no request comes.
  const parts = { settings: loadSettings({}), roles: () => roles, catalogue: () => catalogue, clock: systemClock };
  const moreRoutes = [legacyRoutes, rolloutRoutes].map((mount) => (router: Router) => mount(router, parts as never));
  const { routes } = createRestApp({ ...parts, moreRoutes, reports: {}, siblings: null } as unknown as RestParts);
  const { stack } = routes.router as unknown as { readonly stack: readonly Layer[] };
  return stack.flatMap(({ route }) => {
    const methods = Object.keys(route?.methods ?? {}).filter((method) => method !== '_all');
    return methods.map((method) => `${method.toUpperCase()} ${route?.path}`);
  });
}

/** All that can be asked for: the table of operations, by which routes are mounted, and the path of WebSockets. */
export function routesOfNode(): RouteInput[] {
  const operations = Object.values(restOperations).flatMap((operation: RestOperation): RouteInput[] => {
    const { method, path, body, query } = operation;
    const encoded = base64urlPath(path);
    return (encoded === null ? [path] : [path, encoded]).map((one) => ({
      method: method.toUpperCase(),
      path: one.replace(/\{(\w+)\}/g, ':$1'),
      operation,
      ...(body === undefined ? {} : { body: body.schema }),
      ...(query === undefined ? {} : { query }),
    }));
  });
  return [...operations, { method: 'GET', path: WS_PATH, operation: null }];
}

/** Mounted past the table: nobody would fuzz it. */
export function unknownRoutes(routes: readonly RouteInput[]): string[] {
  const known = new Set(routes.map(({ method, path }) => `${method} ${path}`));
  return routesOfRouter().filter((name) => !known.has(name));
}
