import { createServer } from 'node:http';
import { type RestOperation, restOperations } from '@unified-ws/protocol';
import { createReports } from '../admin/reports/reports.js';
import { HttpLimit } from '../connections/limits/httpLimit.js';
import { RecentProbes } from '../connections/limits/recentProbes.js';
import { UnansweredRequests } from '../connections/limits/unansweredRequests.js';
import { ProtocolOffers } from '../connections/upgrade/protocolOffers.js';
import { createRestApp } from '../http/restApp.js';
import type { EntranceParts } from './composeEntrance.js';

/** Time limit for a request head and for a whole request, milliseconds. A slow peer occupies a socket no longer than that. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How often the limits are checked, milliseconds. The default of Node.js, 30 s, would be added to each limit. */
const CHECK_INTERVAL_MS = 1000;

const UNLIMITED = Object.values(restOperations as Readonly<Record<string, RestOperation>>).flatMap(
  ({ path, unlimited }) => (unlimited ? [path] : []),
);

/** The port: REST, probes, metrics, and upgrades. */
export function composeHttp(entrance: EntranceParts) {
  const { settings, clock, addresses, counts, catalogueReloads, joinSiblings, running, upgrades } = entrance;
  const reports = createReports(entrance);
  const siblings =
    joinSiblings?.({
      ready: () => reports.readiness.read(),
      metrics: () => reports.metrics.text(),
      reload: () => catalogueReloads.local(),
    }) ?? null;
  const probes = new RecentProbes(clock, UNLIMITED);
  const httpLimit = new HttpLimit({
    clock,
    addresses,
    perAddress: settings.httpRatePerIp,
    perCaller: settings.httpRatePerCaller,
    probes,
    onRefused: (bucket) => counts.requestRefused(bucket),
  });
  const { listener } = createRestApp({ ...entrance, reports, siblings, probes, httpLimit });
  const options = {
    // The head of an upgrade precedes its token, so it has at most the same time.
    headersTimeout: Math.min(HEADERS_TIMEOUT_MS, settings.authTimeoutMs),
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
    keepAliveTimeout: settings.keepAliveTimeoutMs,
  };
  const unanswered = new UnansweredRequests();
  const server = createServer(options, (request, response) => {
    if (unanswered.admit(request, response) && httpLimit.admit(request, response)) listener(request, response);
  });
  running.add('the HTTP server', () => (server.listening ? null : 'does not listen'));
  new ProtocolOffers(server, unanswered, (request, socket, head) => upgrades.handle(request, socket, head));
  return { ...entrance, reports, server };
}
