import { connectionsQuerySchema, REST_BASE } from '@unified-ws/protocol';
import type { Reports } from '../../operations/reports.js';
import type { Gate } from '../auth.js';
import { queryReader } from '../query.js';
import type { Router } from '../router.js';

export interface ConnectionRouteParts {
  readonly reports: Pick<Reports, 'connectionList'>;
}

/** Who is connected, page by page. */
export function connectionRoutes(router: Router, gate: Gate, { reports }: ConnectionRouteParts): void {
  const readQuery = queryReader(connectionsQuerySchema);
  router.route(`${REST_BASE}/connections`, {
    get: [
      gate.authorise('admin:connections'),
      async (request, response) => {
        const { limit, cursor, ...filter } = readQuery(request);
        const page = {
          ...(limit === undefined ? {} : { limit }),
          ...(cursor === undefined ? {} : { cursor }),
          filter,
        };
        response.json(await reports.connectionList.page(page, ''));
      },
    ],
  });
}
