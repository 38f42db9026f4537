import type { Connection } from '../connections/lifecycle/connection.js';
import { Fanout } from '../delivery/fanout.js';
import { Follower } from '../delivery/follower.js';
import { Compression } from '../delivery/frames/compression.js';
import { TypeSets } from '../delivery/selection/typeSets.js';
import { Acks } from '../delivery/user/acks.js';
import { UserScope } from '../delivery/user/userScope.js';
import { LogPages } from '../events/log/logPages.js';
import type { EventsParts } from './composeEvents.js';

export type DeliveryParts = ReturnType<typeof composeDelivery>;

/** Delivery from the log and the mailboxes to the connections of this node. */
export function composeDelivery(events: EventsParts) {
  const { settings, clock, logger, report, table, isServing, lease, catalogue, log, mailboxes } = events;
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
  return { ...events, typeSets, compression, fanout, userScope, acks, follower };
}
