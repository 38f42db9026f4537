import type { LegacyGroup, NodeStats } from '@unified-ws/protocol';
import type { AdminParts } from '../compose/composeAdmin.js';
import type { Addition } from '../compose/composeExtensions.js';
import { Inbound } from '../connections/inbound/inbound.js';
import { askerOf } from '../connections/lifecycle/securityRecords.js';
import type { Endpoint } from '../connections/upgrade/upgrades.js';
import { metricList } from '../observability/metrics/metric.js';
import { Deprecations } from './connections/deprecations.js';
import { LegacyAcceptor } from './connections/legacyAcceptor.js';
import { LegacyAuthority } from './connections/legacyAuthority.js';
import { LegacyConnection } from './connections/legacyConnection.js';
import { LegacyConnections } from './connections/legacyConnections.js';
import { LegacyCounts } from './connections/legacyCounts.js';
import { LegacyErrors } from './connections/legacyErrors.js';
import { groupOfPath } from './connections/legacyGroups.js';
import { LegacyHost } from './connections/legacyHost.js';
import { LegacyList } from './connections/legacyList.js';
import { LegacyMessages } from './connections/legacyMessages.js';
import { LEGACY_METRICS } from './connections/legacyMetrics.js';
import { LegacyOrders } from './connections/legacyOrders.js';
import { LegacyRegistry } from './connections/legacyRegistry.js';
import { LegacyReplacements } from './connections/legacyReplacements.js';
import { LegacyReview } from './connections/legacyReview.js';
import { LegacyTable } from './connections/legacyTable.js';
import type { Rollouts } from './rollout/rollouts.js';
import { legacyRoutes } from './routes/legacyRoutes.js';

/** The legacy endpoints. When they are off, admin operations find no connections here, and nothing else runs. */
export function composeLegacyConnections(node: AdminParts, rollouts: Rollouts, idleMs: number): Addition {
  const { settings, clock, report, keys, redis, errorLog, securityRecords, lease, sockets } = node;
  const counts = new LegacyCounts();
  const table = new LegacyTable();
  const legacyRegistry = new LegacyRegistry(redis, keys, clock);
  const errors = new LegacyErrors((connection, error) => {
    errorLog.onConnection(connection, error.code);
    securityRecords.refused(askerOf(connection), error, connection.group);
  });
  const authority = new LegacyAuthority(node.authorityParts, errors, (connection) =>
    legacyRegistry.keep(connection, lease.id),
  );
  const parts = { ...node, rollouts, table, counts, errors, legacyRegistry, authority };
  const review = new LegacyReview(parts);
  const orders = new LegacyOrders({ ...parts, review });
  const deprecations = new Deprecations(parts);
  const list = new LegacyList(parts);
  const host = new LegacyHost(parts);
  const messages = new LegacyMessages({ ...parts, deprecations });
  const inbound = new Inbound({
    ...settings,
    clock,
    report,
    sendError: (connection, error) => errors.tell(connection as LegacyConnection, error),
    handle: (connection, text) => {
      messages.handle(connection as LegacyConnection, text);
      return undefined;
    },
    // The token came with the upgrade, or the connection is closing.
    onFirstMessage: () => undefined,
  });
  const acceptor = new LegacyAcceptor({
    ...parts,
    deprecations,
    replacements: new LegacyReplacements(parts),
    onEstablished: (connection) => {
      counts.connected(connection.group);
      securityRecords.connected(connection, false);
      inbound.process(connection);
    },
  });
  const open = (group: LegacyGroup): Endpoint => {
    return (ws, socket, origin, { token }) => {
      counts.upgraded(group);
      const connection = new LegacyConnection(group, idleMs, ws, socket, origin, host, settings);
      sockets.add(connection);
      inbound.attach(connection);
      acceptor.accept(connection, token);
    };
  };
  const isOn = settings.legacyEndpoints;
  return {
    name: 'legacy',
    connections: new LegacyConnections({ table, orders, review, authority }),
    endpointAt: (path) => {
      const group = isOn ? groupOfPath(path) : null;
      return group === null ? null : open(group);
    },
    routes: (router) => legacyRoutes(router, { list }),
    metrics: [metricList(LEGACY_METRICS, () => ({ table, counts }))],
    stats: () => ({ legacy: legacyStats(table, counts) }),
    start: () => {
      if (isOn) review.start();
    },
    stop: async () => {
      review.stop();
      await deprecations.stop();
    },
  };
}

function legacyStats(table: LegacyTable, counts: LegacyCounts): NodeStats['legacy'] {
  return {
    connections: table.size,
    by_group: { ...table.countByGroup() },
    upgrades: counts.upgrades.toRecord(),
    established: counts.established.toRecord(),
    messages: counts.messages.toRecord(),
    notices: counts.notices.toRecord(),
    replaced: counts.replaced,
  };
}
