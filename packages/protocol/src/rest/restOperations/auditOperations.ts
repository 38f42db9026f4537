import { auditPageSchema, auditQuerySchema } from '../../schemas/audit.js';
import { REST_BASE } from '../rest.js';
import type { RestOperation } from '../restOperation.js';

/** The record of admin actions. */
export const auditOperations = {
  listAudit: {
    method: 'get',
    path: `${REST_BASE}/audit`,
    tag: 'cluster',
    summary: 'Lists admin actions, newest first',
    permissions: ['admin:audit'],
    query: auditQuerySchema,
    answers: { 200: { meaning: 'a page of records', schema: auditPageSchema } },
    example: { query: { action: 'disconnect', since: '2026-01-01T00:00:00Z', limit: 20 } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
