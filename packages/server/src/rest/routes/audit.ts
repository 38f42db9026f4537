import type { AuditLog } from '../../operations/auditLog.js';
import type { Router } from '../router.js';

export interface AuditRouteParts {
  readonly auditLog: AuditLog;
}

/** What admins did. */
export function auditRoutes(router: Router, { auditLog }: AuditRouteParts): void {
  router.operation('listAudit', ({ query }) => auditLog.page(query));
}
