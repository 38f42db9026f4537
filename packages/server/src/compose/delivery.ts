import type { Connection } from '../edge/connection.js';
import { LogPages } from '../events/logPages.js';
import { Acks } from '../fanout/acks.js';
import { Compression } from '../fanout/compression.js';
import { Fanout } from '../fanout/flush.js';
import { Follower } from '../fanout/follower.js';
import { TypeSets } from '../fanout/typeSet.js';
import { UserScope } from '../fanout/userScope.js';
import type { ClusterParts } from './cluster.js';
import type { Core } from './core.js';
import type { EventsParts } from './events.js';

export type DeliveryParts = ReturnType<typeof composeDelivery>;

/** From the log and the mailboxes to the connections of this node. */
export function composeDelivery(core: Core, { isServing, lease }: ClusterParts, events: EventsParts) {
  const { settings, clock, logger, report, table } = core;
  const { catalogue, log, mailboxes } = events;
  const ofUser = (userId: string): readonly Connection[] => table.ofUser(userId);
  const clusterTime = { now: () => lease.latestTime };
  const typeSets = new TypeSets();
  const compression = new Compression(clock);
  const fanout = new Fanout({
    catalogue,
    typeSets,
    clock,
    clusterTime,
    compression,
    logger,
    report,
    pages: new LogPages(log),
    windowSize: settings.windowSize,
    windowBytes: settings.windowBytes,
    historySize: settings.historySize,
    mayDeliver: isServing,
    ofUser,
  });
  const userScope = new UserScope({
    mailboxes,
    catalogue,
    clock,
    clusterTime,
    compression,
    ofUser,
    mayDeliver: isServing,
    report,
  });
  const acks = new Acks(mailboxes, report);
  const follower = new Follower({ log, fanout, report, isServing });
  return { typeSets, compression, fanout, userScope, acks, follower };
}
