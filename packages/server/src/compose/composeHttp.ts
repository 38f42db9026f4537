import { createServer } from 'node:http';
import { type RestOperation, restOperations } from '@unified-ws/protocol';
import { createReports } from '../admin/reports/reports.js';
import { HttpLimit } from '../connections/limits/httpLimit.js';
import { RecentProbes } from '../connections/limits/recentProbes.js';
import { UnansweredRequests } from '../connections/limits/unansweredRequests.js';
import { ProtocolOffers } from '../connections/upgrade/protocolOffers.js';
import { createRestListener } from '../http/restApp.js';
import type { EntranceParts } from './composeEntrance.js';

/** A request head, and a whole request, must be in by then, milliseconds: a peer that dawdles holds a socket and no more. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How often that is looked at, milliseconds. By default Node.js does it every 30 s, which would be added to each. */
const CHECK_INTERVAL_MS = 1000;

const UNLIMITED = Object.values(restOperations as Readonly<Record<string, RestOperation>>).flatMap(
  ({ path, unlimited }) => (unlimited ? [path] : []),
);

/** The port: REST, probes and metrics, and the upgrades that come in on it. */
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
  const listener = createRestListener({ ...entrance, reports, siblings, probes, httpLimit });
  const options = {
    // The head of an upgrade comes before its token, so it has no more time than that.
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
