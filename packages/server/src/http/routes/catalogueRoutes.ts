import { actorOf } from '../request/caller.js';
import type { RestParts } from '../request/restParts.js';
import { RestProblem } from '../request/restProblem.js';
import type { Router } from '../request/router.js';

/** The event catalogue. */
export function catalogueRoutes(router: Router, { catalogueReloads }: RestParts): void {
  /** 422 when a node's file is invalid: then no node has changed its catalogue. */
  router.operation('reloadCatalogue', async ({ body: { reason }, ...call }) => {
    const { result, nodes, missing_nodes } = await catalogueReloads.cluster(reason, actorOf(call));
    if (result === 'refused') {
      const errors = nodes.flatMap(({ node_id, error }) => {
        return error === null ? [] : [{ path: '', message: `${node_id}: ${error}` }];
      });
      throw new RestProblem(422, 'VALIDATION_ERROR', 'The event catalogue is not valid; the old one stays in force.', {
        details: { errors, nodes, missing_nodes },
      });
    }
    return { result, nodes, missing_nodes };
  });
}
