import type { RestParts } from '../request/restParts.js';
import type { Router } from '../request/router.js';

/** The record of admin actions. */
export function auditRoutes(router: Router, { auditLog }: RestParts): void {
  router.operation('listAudit', ({ query }) => auditLog.page(query));
}
