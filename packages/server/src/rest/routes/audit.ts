import { auditQuerySchema, REST_BASE } from '@unified-ws/protocol';
import type { AuditLog } from '../../operations/auditLog.js';
import type { Gate } from '../auth.js';
import { queryReader } from '../query.js';
import type { Router } from '../router.js';

export interface AuditRouteParts {
  readonly auditLog: AuditLog;
}

/** What admins did. */
export function auditRoutes(router: Router, gate: Gate, { auditLog }: AuditRouteParts): void {
  const readQuery = queryReader(auditQuerySchema);
  router.route(`${REST_BASE}/audit`, {
    get: [
      gate.authorise('admin:audit'),
      async (request, response) => void response.json(await auditLog.page(readQuery(request))),
    ],
  });
}
