import { type LegacyUsers, legacyQuerySchema, REST_BASE } from '@unified-ws/protocol';
import type { Gate } from '../auth.js';
import { queryReader } from '../query.js';
import type { Router } from '../router.js';

export interface LegacyRouteParts {
  readonly legacy: { readonly list: { page(limit?: number, cursor?: string): Promise<LegacyUsers> } };
}

/** Who still uses the endpoints of the predecessor, page by page. */
export function legacyRoutes(router: Router, gate: Gate, parts: LegacyRouteParts): void {
  const readQuery = queryReader(legacyQuerySchema);
  router.route(`${REST_BASE}/legacy/connections`, {
    get: [
      gate.authorise('admin:connections'),
      async (request, response) => {
        const { limit, cursor } = readQuery(request);
        response.json(await parts.legacy.list.page(limit, cursor));
      },
    ],
  });
}
