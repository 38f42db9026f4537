import { livezSchema, readyzSchema } from '../../schemas/nodeReports.js';
import type { RestOperation } from '../restOperation.js';

/** For load balancers, orchestrators and Prometheus. */
export const probeOperations = {
  getLivez: {
    method: 'get',
    path: '/livez',
    tag: 'probes',
    summary: 'Whether the process runs',
    permissions: null,
    unlimited: true,
    answers: { 200: { meaning: 'the process runs', schema: livezSchema } },
  },
  getReadyz: {
    method: 'get',
    path: '/readyz',
    tag: 'probes',
    summary: 'Whether the node should get traffic',
    permissions: null,
    unlimited: true,
    answers: {
      200: { meaning: 'the node is ready', schema: readyzSchema },
      503: {
        meaning: 'the node is not ready, with reasons',
        schema: readyzSchema,
        headers: { 'Retry-After': 'seconds' },
      },
    },
  },
  getMetrics: {
    method: 'get',
    path: '/metrics',
    tag: 'probes',
    summary: 'Metrics in the text format of Prometheus',
    description: 'If METRICS_TOKEN is set, send it as bearer token. Otherwise open to all, and 404 in production.',
    permissions: null,
    schemes: ['metricsToken'],
    answers: { 200: { meaning: 'the metrics', type: 'text/plain' } },
    problems: [401, 404],
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
