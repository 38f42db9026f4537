import type { Router } from '../../http/request/router.js';
import type { LegacyList } from '../connections/legacyList.js';

/** The users of the legacy endpoints. */
export function legacyRoutes(router: Router, { list }: { readonly list: Pick<LegacyList, 'page'> }): void {
  router.operation('listLegacyUsers', ({ query: { limit, cursor } }) => list.page(limit, cursor));
}
