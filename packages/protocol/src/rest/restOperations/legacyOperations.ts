import { legacyQuerySchema, legacyUsersSchema } from '../../schemas/legacy.js';
import { REST_BASE } from '../rest.js';
import type { RestOperation } from '../restOperation.js';

/** The users of the legacy endpoints. */
export const legacyOperations = {
  listLegacyUsers: {
    method: 'get',
    path: `${REST_BASE}/legacy/connections`,
    tag: 'users',
    summary: 'Lists the users who still use the endpoints of the predecessor, page by page',
    permissions: ['admin:connections'],
    query: legacyQuerySchema,
    answers: { 200: { meaning: 'a page of users', schema: legacyUsersSchema } },
    example: { query: { limit: 50 } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
