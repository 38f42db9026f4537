import { drainBodySchema, REST_BASE } from '@unified-ws/protocol';
import { type Drains, listNodes } from '../../operations/nodes.js';
import type { Reports } from '../../operations/reports.js';
import type { Gate } from '../auth.js';
import { jsonBody } from '../body.js';
import { callerOf } from '../http.js';
import { RestProblem } from '../problem.js';
import type { Router } from '../router.js';
import { bodyReader } from '../validation.js';

export interface NodeRouteParts {
  readonly drains: Drains;
  readonly reports: Pick<Reports, 'stats'>;
}

/** The nodes of the cluster. */
export function nodeRoutes(router: Router, gate: Gate, { drains, reports }: NodeRouteParts): void {
  const readDrain = bodyReader(drainBodySchema);
  router.route(`${REST_BASE}/nodes`, {
    get: [
      gate.authorise('admin:stats'),
      async (_request, response) => void response.json(await listNodes(reports.stats)),
    ],
  });
  /** 200 when the node does not answer too: the order may reach it yet. 409 for the last that takes connections. */
  router.route(`${REST_BASE}/nodes/:node_id/drain`, {
    post: [
      gate.authorise('admin:cluster'),
      ...jsonBody(),
      async (request, response) => {
        const body = readDrain(request.body);
        const { node_id: nodeId } = request.params;
        const actor = { userId: callerOf(response).identity.userId, ip: request.ip ?? '', via: 'rest' as const };
        const drained = typeof nodeId === 'string' ? await drains.drain(nodeId, body, actor) : null;
        if (drained === null) throw new RestProblem(404, 'NOT_FOUND', 'There is no such node.');
        response.json(drained);
      },
    ],
  });
}
