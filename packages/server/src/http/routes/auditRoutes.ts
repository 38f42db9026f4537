import type { AuditLog } from '../../admin/audit/auditLog.js';
import type { Router } from '../request/router.js';

export interface AuditRouteParts {
  readonly auditLog: AuditLog;
}

/** What admins did. */
export function auditRoutes(router: Router, { auditLog }: AuditRouteParts): void {
  router.operation('listAudit', ({ query }) => auditLog.page(query));
}
