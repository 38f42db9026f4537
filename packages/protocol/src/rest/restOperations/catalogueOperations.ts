import { queueReasonSchema } from '../../schemas/queue.js';
import { catalogueReloadedSchema, REST_BASE } from '../rest.js';
import type { RestOperation } from '../restOperation.js';

/** The event catalogue. */
export const catalogueOperations = {
  reloadCatalogue: {
    method: 'post',
    path: `${REST_BASE}/catalogue/reload`,
    tag: 'cluster',
    summary: 'Loads the event catalogue from the files on the nodes, on all nodes or on none',
    permissions: ['admin:cluster'],
    body: { schema: queueReasonSchema, required: false },
    answers: { 200: { meaning: 'the catalogue is in force', schema: catalogueReloadedSchema } },
    problems: [422],
    example: { body: { reason: 'new event types' } },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
