import { CLOSE } from '@unified-ws/protocol';
import { parseEphemeral } from '../events/publish/ephemeralSender.js';
import type { Settings } from '../settings/settings.js';
import { AppError } from '../util/appError.js';
import { composeAdmin } from './composeAdmin.js';
import { type ClusterParts, composeCluster } from './composeCluster.js';
import { composeConnections } from './composeConnections.js';
import { composeCore, type DrainCalls, type NodeOptions } from './composeCore.js';
import { composeDelivery, type DeliveryParts } from './composeDelivery.js';
import { composeEntrance, type EntranceParts } from './composeEntrance.js';
import { composeEvents } from './composeEvents.js';
import { composeExtensions, type ExtensionsParts } from './composeExtensions.js';
import { composeHttp } from './composeHttp.js';

/**
 * Builds the parts of a node, group by group, in the order in which they depend on each other. Each composer receives the parts so far
 * and returns them with its own. Nothing is started and no socket opened. The few calls that go upwards (a bus message, a change of
 * recovery state) are closures here over groups that are made further down; each composer names the calls that it makes.
 */
export function compose(settings: Settings, options: NodeOptions, calls: DrainCalls) {
  const core = composeCore(settings, options, calls);
  const { table, keys } = core;
  const cluster: ClusterParts = composeCluster(core, {
    onEvents: (text) => {
      const ephemeral = parseEphemeral(text);
      if (ephemeral) fanout.ephemeral.take(ephemeral, text.length);
      else follower.receive(text);
    },
    onEphemeral: (targeted, size) => fanout.ephemeral.takeTargeted(targeted, size),
    onMail: (batch) => userScope.receive(batch),
    onMailbox: ({ id }, head) => {
      const connection = table.get(id);
      if (connection) userScope.observe(connection, head);
    },
    writtenSince: (conn, since) => {
      const connection = table.get(conn);
      if (!connection) return 0;
      return fanout.writtenSince(connection, since) + (connection.mail?.writtenSince(since) ?? 0);
    },
    catchUp: async () => {
      const starts = fanout.positionText === null;
      for (const addition of extended.additions) await addition.catchUp?.(starts);
      // Users whose own shards answer must not wait for the shard of the log. Its last known head stays until it answers again.
      if (starts || !cluster.shards.isAway(keys.logMeta())) await follower.readHead();
    },
    onStateChange: (recoveryState) => {
      if (recoveryState === 'serving') {
        follower.resume();
        userScope.resume();
      } else follower.pause();
    },
    endUnestablished: (code) => entrance.acceptor.endUnestablished(code),
  });
  const events = composeEvents(cluster, (batch) => userScope.receive(batch));
  const delivery: DeliveryParts = composeDelivery(events);
  const { fanout, userScope, follower } = delivery;
  const connections = composeConnections(delivery, (connection) => {
    const error = new AppError('AUTH_ERROR', 'No access token was sent in time.', { details: { reason: 'missing' } });
    entrance.acceptor.refuse(connection, error, CLOSE.AUTH_TIMEOUT);
  });
  const extended: ExtensionsParts = composeExtensions(composeAdmin(connections), options.extensions ?? []);
  const entrance: EntranceParts = composeEntrance(extended, () => parts.reports);
  const parts = composeHttp(entrance);
  return parts;
}
