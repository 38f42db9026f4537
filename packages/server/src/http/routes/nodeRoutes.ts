import { listNodes } from '../../admin/cluster/drains.js';
import { actorOf } from '../request/caller.js';
import type { RestParts } from '../request/restParts.js';
import { RestProblem } from '../request/restProblem.js';
import type { Router } from '../request/router.js';

/** The nodes of the cluster. */
export function nodeRoutes(router: Router, { drains, reports }: RestParts): void {
  router.operation('listNodes', () => listNodes(reports.stats));
  /** 200 even if the node does not answer: the order may still reach it. */
  router.operation('drainNode', async ({ params, body, ...call }) => {
    const done = await drains.drain(params.node_id, body, actorOf(call));
    if (done === null) throw new RestProblem(404, 'NOT_FOUND', 'This node does not exist.');
    return done;
  });
}
