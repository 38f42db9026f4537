import { randomBytes } from 'node:crypto';
import { Audit } from '../admin/audit/audit.js';
import { AuditLog } from '../admin/audit/auditLog.js';
import { Drains } from '../admin/cluster/drains.js';
import { DrainTurn } from '../admin/cluster/drainTurn.js';
import { Announcements } from '../admin/events/announcements.js';
import { CatalogueReloads } from '../admin/events/catalogueReloads.js';
import { Publications } from '../admin/events/publications.js';
import { QueueAdmin } from '../admin/queue/queueAdmin.js';
import { Disconnects } from '../admin/users/disconnects.js';
import { PermissionChanges } from '../admin/users/permissionChanges.js';
import { Ranks } from '../admin/users/ranks.js';
import { Reviews } from '../admin/users/reviews.js';
import { Revocations } from '../admin/users/revocations.js';
import { presentLeases } from '../registry/nodes/presentLeases.js';
import type { ConnectionsParts } from './composeConnections.js';

export type AdminParts = ReturnType<typeof composeAdmin>;

/** What admins do, over REST or a connection of their own, and its audit trail. */
export function composeAdmin(parts: ConnectionsParts) {
  const { settings, nodeId, clock, logger, shownAddress, report, counts, keys, redis, table, drain, isDraining } =
    parts;
  const { store, commands, failureDetector, reconciler, recovery, nodeProcesses } = parts;
  const { catalogue, catalogues, roles, queues, publisher, fanout, authority, unregistered } = parts;
  const timeoutMs = settings.commandTimeoutMs;
  const audit = new Audit({ redis, keys, clock, logger, report, shownAddress });
  const auditLog = new AuditLog({ redis, keys, report });
  const ranks = new Ranks({ store, unregistered, failureDetector, roles });
  const disconnects = new Disconnects({
    ranks,
    store,
    commands,
    failureDetector,
    table,
    unregistered,
    audit,
    clock,
    report,
    timeoutMs,
  });
  const publications = new Publications({
    publisher,
    catalogue,
    audit,
    onPublished: (receipt) => counts.published(receipt),
  });
  const announcements = new Announcements({ publications, catalogue });
  const queueAdmin = new QueueAdmin({
    queues,
    audit,
    catalogue,
    commands,
    redis,
    keys,
    clock,
    logger,
    report,
    done: counts.queueAdmin,
    nodeId,
    commandTimeoutMs: timeoutMs,
    maxJobs: settings.eventQueueMax,
  });
  const reviews = new Reviews({ store, commands, failureDetector, table, unregistered, reconciler, clock });
  const revocations = new Revocations({ store, reviews, ranks, audit, clock, report, timeoutMs });
  const permissionChanges = new PermissionChanges({
    store,
    reviews,
    ranks,
    audit,
    clock,
    report,
    timeoutMs,
    graceMs: settings.tokenGraceMs,
  });
  const catalogueReloads = new CatalogueReloads({
    catalogues,
    authority,
    table,
    unregistered,
    fanout,
    commands,
    redis,
    keys,
    failureDetector,
    report,
    audit,
    logger,
    random: randomBytes,
    nodeId,
    timeoutMs,
  });
  const drains = new Drains({
    commands,
    audit,
    clock,
    timeoutMs,
    drain,
    entry: () => (isDraining() ? 'draining' : recovery.standing === 'serving' ? 'open' : 'closed'),
    turn: new DrainTurn({ redis, keys, clock, report }),
    leases: () => presentLeases(redis, keys, failureDetector),
    nodeProcesses,
    report,
  });
  return {
    ...parts,
    audit,
    drains,
    auditLog,
    disconnects,
    announcements,
    publications,
    queueAdmin,
    permissionChanges,
    revocations,
    catalogueReloads,
  };
}
