import type { AuditLog } from '../../admin/audit/auditLog.js';
import type { Drains } from '../../admin/cluster/drains.js';
import type { CatalogueReloads } from '../../admin/events/catalogueReloads.js';
import type { EventRecords } from '../../admin/events/eventRecords.js';
import type { Publications } from '../../admin/events/publications.js';
import type { NodeParts } from '../../admin/nodeParts.js';
import type { QueueAdmin } from '../../admin/queue/queueAdmin.js';
import type { Reports } from '../../admin/reports/reports.js';
import type { Disconnects } from '../../admin/users/disconnects.js';
import type { PermissionChanges } from '../../admin/users/permissionChanges.js';
import type { Revocations } from '../../admin/users/revocations.js';
import type { HttpLimit } from '../../connections/limits/httpLimit.js';
import type { RecentProbes } from '../../connections/limits/recentProbes.js';
import type { Siblings } from '../../processGroup.js';
import type { Router } from './router.js';

/** What the routes call: the parts of a node, and the orders and reports made from them. */
export interface RestParts extends NodeParts {
  readonly publications: Publications;
  readonly disconnects: Disconnects;
  readonly permissionChanges: PermissionChanges;
  readonly revocations: Revocations;
  readonly queueAdmin: QueueAdmin;
  readonly eventRecords: EventRecords;
  readonly drains: Drains;
  readonly auditLog: AuditLog;
  readonly catalogueReloads: CatalogueReloads;
  readonly reports: Reports;
  /** Routes of extensions. */
  readonly moreRoutes: readonly ((router: Router) => void)[];
  /** The processes that share this port: `/readyz` and `/metrics` answer for all of them. Null: only this process. */
  readonly siblings: Siblings | null;
  readonly httpLimit: HttpLimit;
  readonly probes: RecentProbes;
}
