import type { Router } from '../../http/request/router.js';
import type { LegacyList } from '../connections/legacyList.js';

export interface LegacyRouteParts {
  readonly list: Pick<LegacyList, 'page'>;
}

/** The users of the legacy endpoints. */
export function legacyRoutes(router: Router, { list }: LegacyRouteParts): void {
  router.operation('listLegacyUsers', ({ query: { limit, cursor } }) => list.page(limit, cursor));
}
