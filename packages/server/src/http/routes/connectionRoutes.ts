import type { RestParts } from '../request/restParts.js';
import type { Router } from '../request/router.js';

/** The open connections, page by page. */
export function connectionRoutes(router: Router, { reports }: RestParts): void {
  router.operation('listConnections', ({ query: { limit, cursor, ...filter } }) => {
    const page = {
      ...(limit === undefined ? {} : { limit }),
      ...(cursor === undefined ? {} : { cursor }),
      filter,
    };
    return reports.connectionList.page(page, '');
  });
}
