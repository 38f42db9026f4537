import { livezSchema, readyzSchema } from '../../schemas/nodeReports.js';
import { ASYNCAPI_PATH, OPENAPI_PATH } from '../rest.js';
import type { RestOperation } from '../restOperation.js';

/** The headers and the empty answer of a document that a client may already have. */
const document = { headers: { ETag: 'of this text' }, schema: { type: 'object' } } as const;
const unchanged = { meaning: 'the text has not changed since `If-None-Match`', type: null } as const;
const ifNoneMatch = {
  'If-None-Match': { type: 'string', description: 'ETag of the text that the client has' },
} as const;

/** For load balancers, orchestrators, Prometheus and generators of clients. */
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
  getOpenApi: {
    method: 'get',
    path: OPENAPI_PATH,
    tag: 'specs',
    summary: 'Describes these operations, as OpenAPI 3.1',
    permissions: null,
    headers: ifNoneMatch,
    answers: { 200: { meaning: 'OpenAPI 3.1', ...document }, 304: unchanged },
  },
  getAsyncApi: {
    method: 'get',
    path: ASYNCAPI_PATH,
    tag: 'specs',
    summary: 'Describes the messages of the WebSocket, as AsyncAPI 3.0',
    permissions: null,
    headers: ifNoneMatch,
    answers: { 200: { meaning: 'AsyncAPI 3.0', ...document }, 304: unchanged },
  },
} as const satisfies Readonly<Record<string, RestOperation>>;
