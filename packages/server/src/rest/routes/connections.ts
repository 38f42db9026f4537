import type { Reports } from '../../operations/reports.js';
import type { Router } from '../router.js';

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
