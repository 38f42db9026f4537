import type { LegacyUsers } from '@unified-ws/protocol';
import type { Router } from '../request/router.js';

export interface LegacyRouteParts {
  readonly legacy: { readonly list: { page(limit?: number, cursor?: string): Promise<LegacyUsers> } };
}

/** Who still uses the endpoints of the predecessor, page by page. */
export function legacyRoutes(router: Router, { legacy }: LegacyRouteParts): void {
  router.operation('listLegacyUsers', ({ query: { limit, cursor } }) => legacy.list.page(limit, cursor));
}
