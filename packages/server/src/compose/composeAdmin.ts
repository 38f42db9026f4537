import { randomBytes } from 'node:crypto';
import { Audit } from '../admin/audit/audit.js';
import { AuditLog } from '../admin/audit/auditLog.js';
import { Drains } from '../admin/cluster/drains.js';
import { Announcements } from '../admin/events/announcements.js';
import { CatalogueReloads } from '../admin/events/catalogueReloads.js';
import { EventRecords } from '../admin/events/eventRecords.js';
import { Publications } from '../admin/events/publications.js';
import { QueueAdmin } from '../admin/queue/queueAdmin.js';
import { Disconnects } from '../admin/users/disconnects.js';
import { PermissionChanges } from '../admin/users/permissionChanges.js';
import { Ranks } from '../admin/users/ranks.js';
import { Reviews } from '../admin/users/reviews.js';
import { Revocations } from '../admin/users/revocations.js';
import type { ConnectionsParts } from './composeConnections.js';

export type AdminParts = ReturnType<typeof composeAdmin>;

/** Admin operations, for REST and WebSocket alike, and their audit record. */
export function composeAdmin(connections: ConnectionsParts) {
  const parts = { ...connections, audit: new Audit(connections) };
  const ranks = new Ranks(parts);
  const reviews = new Reviews(parts);
  const publications = new Publications(parts);
  return {
    ...parts,
    auditLog: new AuditLog(parts),
    publications,
    announcements: new Announcements({ ...parts, publications }),
    disconnects: new Disconnects({ ...parts, ranks }),
    revocations: new Revocations({ ...parts, reviews, ranks }),
    permissionChanges: new PermissionChanges({ ...parts, reviews, ranks }),
    queueAdmin: new QueueAdmin(parts),
    eventRecords: new EventRecords(parts),
    catalogueReloads: new CatalogueReloads({ ...parts, randomBytes }),
    drains: new Drains(parts),
  };
}
