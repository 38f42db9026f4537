import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RoleTable } from '@unified-ws/server/auth/roleTable';
import { ClientAddresses } from '@unified-ws/server/connections/limits/clientAddresses';
import { RecentProbes } from '@unified-ws/server/connections/limits/recentProbes';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import type { RestParts } from '@unified-ws/server/http/request/restParts';
import type { Router } from '@unified-ws/server/http/request/router';
import { createRestApp, type RestApp } from '@unified-ws/server/http/restApp';
import { legacyRoutes } from '@unified-ws/server/legacy/routes/legacyRoutes';
import { rolloutRoutes } from '@unified-ws/server/legacy/routes/rolloutRoutes';
import { ErrorLog } from '@unified-ws/server/observability/log/errorLog';
import { Durations } from '@unified-ws/server/observability/metrics/durations';
import { NodeCounts } from '@unified-ws/server/observability/metrics/nodeCounts';
import { loadSettings } from '@unified-ws/server/settings/settings';
import { systemClock } from '@unified-ws/server/util/clock';

/** Of express's router. */
interface Layer {
  readonly route?: { readonly path: string; readonly stack: readonly { readonly method?: string }[] };
}

/** The REST app over parts that a test has made up: for what no real part does on demand, such as failing. */
export function stubRestApp(parts: Readonly<Record<string, unknown>>): RestApp {
  const catalogue = loadCatalogue();
  const roles = new RoleTable(catalogue.raw);
  const all: Record<string, unknown> = {
    settings: loadSettings({}),
    roles: () => roles,
    catalogue: () => catalogue,
    counts: new NodeCounts(systemClock),
    durations: new Durations(),
    errorLog: new ErrorLog(systemClock),
    securityRecords: { refused: () => undefined, granted: () => undefined },
    siblings: null,
    addresses: new ClientAddresses(false),
    probes: new RecentProbes(systemClock, []),
    httpLimit: { authenticated: () => 0, rejected: () => undefined },
    clock: systemClock,
    moreRoutes: [legacyRoutes, rolloutRoutes].map((mount) => (router: Router) => mount(router, all as never)),
    ...parts,
  };
  return createRestApp(all as unknown as RestParts);
}

/** The same on a port. */
export class StubApp {
  private readonly server: Server;

  private readonly app: RestApp;

  private constructor(app: RestApp, server: Server) {
    this.app = app;
    this.server = server;
  }

  /** Patterns of all routes with their methods, as they are mounted. */
  get routes(): { readonly path: string; readonly methods: readonly string[] }[] {
    const layers = (this.app.routes.router as unknown as { stack: readonly Layer[] }).stack;
    return layers.flatMap(({ route }) => {
      if (!route) return [];
      const methods = route.stack.flatMap(({ method }) => (method === undefined ? [] : [method.toUpperCase()]));
      return [{ path: route.path, methods: [...new Set(methods)] }];
    });
  }

  /** @param parts those that the test's requests meet. */
  static async listen(parts: Readonly<Record<string, unknown>>): Promise<StubApp> {
    const app = stubRestApp(parts);
    const server = createServer(app.listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new StubApp(app, server);
  }

  get http(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }
}
