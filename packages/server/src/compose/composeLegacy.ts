import { Inbound } from '../connections/inbound/inbound.js';
import { askerOf } from '../connections/lifecycle/securityRecords.js';
import { Deprecations } from '../legacy/connections/deprecations.js';
import { LegacyAcceptor } from '../legacy/connections/legacyAcceptor.js';
import { LegacyAuthority } from '../legacy/connections/legacyAuthority.js';
import { LegacyConnection } from '../legacy/connections/legacyConnection.js';
import { LegacyConnections } from '../legacy/connections/legacyConnections.js';
import { LegacyCounts } from '../legacy/connections/legacyCounts.js';
import { LegacyEndpoints } from '../legacy/connections/legacyEndpoints.js';
import { LegacyErrors } from '../legacy/connections/legacyErrors.js';
import { LegacyHost } from '../legacy/connections/legacyHost.js';
import { LegacyList } from '../legacy/connections/legacyList.js';
import { LegacyMessages } from '../legacy/connections/legacyMessages.js';
import { LegacyNotes } from '../legacy/connections/legacyNotes.js';
import { LegacyOrders } from '../legacy/connections/legacyOrders.js';
import { LegacyReplacements } from '../legacy/connections/legacyReplacements.js';
import { LegacyStanding } from '../legacy/connections/legacyReview.js';
import { LegacyTable } from '../legacy/connections/legacyTable.js';
import type { AppError } from '../util/appError.js';
import type { ConnectionsParts } from './composeConnections.js';

export type LegacyParts = ReturnType<typeof composeLegacy>;

/**
 * The endpoints of the predecessor. Where they are off, orders of admins find nobody here, and nothing else runs.
 *
 * @param onTokenRefused upwards: a token from this address was refused.
 */
export function composeLegacy(connections: ConnectionsParts, onTokenRefused: (ip: string, error: AppError) => void) {
  const { settings, nodeId, clock, logger, report, keys, redis, errorLog, securityRecords } = connections;
  const { commands, store, judge, lease, shards, isServing, rollouts, catalogue, roles, fanout } = connections;
  const { verifier, liveness, clearances, sockets, unregistered } = connections;
  const leaseId = (): string => lease.id;
  const counts = new LegacyCounts();
  const table = new LegacyTable();
  const notes = new LegacyNotes(redis, keys, clock);
  const errors = new LegacyErrors({
    onError: (connection, error) => {
      errorLog.onConnection(connection, error.code);
      securityRecords.refused(askerOf(connection), error, connection.group);
    },
  });
  const authority = new LegacyAuthority(connections.authorityParts, errors, (connection) =>
    notes.keep(connection, leaseId()),
  );
  const standing = new LegacyStanding({
    table,
    notes,
    store,
    errors,
    lease: leaseId,
    isAway: (userId) => shards.isAway(keys.noted(userId)),
    isServing,
    report,
    intervalMs: settings.sweepIntervalMs,
  });
  const orders = new LegacyOrders({ notes, table, standing, commands, judge, clock });
  const deprecations = new Deprecations({ rollouts, table, errors, counts, catalogue, report });
  const list = new LegacyList({ commands, table, rollouts, nodeId, timeoutMs: settings.commandTimeoutMs });
  const host = new LegacyHost({ sockets, authority, table, notes, report });
  const messages = new LegacyMessages({
    authority,
    deprecations,
    errors,
    counts,
    fanout,
    report,
    maxConsecutiveErrors: settings.maxConsecutiveErrors,
    maxSubscriptions: settings.maxSubscriptions,
  });
  const inbound = new Inbound({
    clock,
    report,
    messageRate: settings.messageRate,
    messageBurst: settings.messageBurst,
    sendError: (connection, error) => errors.tell(connection as LegacyConnection, error),
    handle: (connection, text) => {
      messages.handle(connection as LegacyConnection, text);
      return undefined;
    },
    // Its token came with the upgrade, or it is closing.
    onFirstMessage: () => undefined,
  });
  const acceptor = new LegacyAcceptor({
    verifier,
    roles,
    clearances,
    authority,
    table,
    notes,
    replacements: new LegacyReplacements({ commands, judge, table, notes, counts, report }),
    deprecations,
    errors,
    store,
    fanout,
    liveness,
    clock,
    logger,
    report,
    lease: leaseId,
    mayDeliver: isServing,
    onTokenRefused,
    onEstablished: (connection) => {
      counts.connected(connection.group);
      securityRecords.connected(connection, false);
      inbound.process(connection);
    },
  });
  unregistered.add(new LegacyConnections({ table, orders, standing, authority }));
  const legacy = new LegacyEndpoints({
    isOn: settings.legacyEndpoints,
    table,
    counts,
    standing,
    deprecations,
    list,
    open: (group, ws, socket, origin, token) => {
      counts.upgraded(group);
      const connection = new LegacyConnection(group, connections.legacyIdleMs, ws, socket, origin, host, settings);
      sockets.add(connection);
      inbound.attach(connection);
      acceptor.accept(connection, token);
    },
  });
  return { ...connections, legacy };
}
