import type { Reports } from '../../admin/reports/reports.js';
import type { Router } from '../request/router.js';

export interface ConnectionRouteParts {
  readonly reports: Pick<Reports, 'connectionList'>;
}

/** Who is connected, page by page. */
export function connectionRoutes(router: Router, { reports }: ConnectionRouteParts): void {
  router.operation('listConnections', ({ query: { limit, cursor, ...filter } }) => {
    const page = {
      ...(limit === undefined ? {} : { limit }),
      ...(cursor === undefined ? {} : { cursor }),
      filter,
    };
    return reports.connectionList.page(page, '');
  });
}
