import { REST_BASE } from '@unified-ws/protocol';
import type { CatalogueReloads } from '../../operations/catalogue.js';
import type { Gate } from '../auth.js';
import { callerOf } from '../http.js';
import { RestProblem } from '../problem.js';
import type { Router } from '../router.js';

export interface CatalogueRouteParts {
  readonly catalogueReloads: CatalogueReloads;
}

/** The event catalogue. */
export function catalogueRoutes(router: Router, gate: Gate, { catalogueReloads }: CatalogueRouteParts): void {
  /** 422 when a node's file is faulty: then no node has changed. */
  router.route(`${REST_BASE}/catalogue/reload`, {
    post: [
      gate.authorise('admin:cluster'),
      async (request, response) => {
        const { identity } = callerOf(response);
        const actor = { userId: identity.userId, ip: request.ip ?? '', via: 'rest' as const };
        const { result, nodes, missing_nodes } = await catalogueReloads.cluster(actor);
        if (result === 'refused') {
          const errors = nodes.flatMap(({ node_id, error }) => {
            return error === null ? [] : [{ path: '', message: `${node_id}: ${error}` }];
          });
          throw new RestProblem(422, 'VALIDATION_ERROR', 'The event catalogue is not valid; the old one stays.', {
            details: { errors, nodes, missing_nodes },
          });
        }
        response.json({ result, nodes, missing_nodes });
      },
    ],
  });
}
