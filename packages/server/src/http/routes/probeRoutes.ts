import { createHash, timingSafeEqual } from 'node:crypto';
import type { ReadinessReport, Readyz } from '@unified-ws/protocol';
import type { RequestHandler } from 'express';
import { bearerToken } from '../../auth/tokenFromRequest.js';
import { authError } from '../../auth/tokenVerifier.js';
import type { PeersView } from '../../observability/health/readiness.js';
import { mergeMetrics } from '../../observability/metrics/mergeMetrics.js';
import type { Siblings } from '../../processGroup.js';
import type { Settings } from '../../settings/settings.js';
import { AppError } from '../../util/appError.js';
import type { RestParts } from '../request/restParts.js';
import { RestProblem } from '../request/restProblem.js';
import type { Router } from '../request/router.js';

/** Probes for load balancers, orchestrators and Prometheus, at the root path. */
export function probeRoutes(router: Router, { settings, reports, counts, probes, siblings, peers }: RestParts): void {
  // True once all processes of this port were ready at the same time. Before that, a missing process is starting, not dead.
  let wasWhole = false;
  router.operation('getLivez', () => {
    const body = { status: 'ok' as const, node_id: settings.nodeId, uptime_seconds: Math.round(counts.uptimeSeconds) };
    probes.note('/livez', 200, body);
    return body;
  });
  router.operation('getReadyz', async ({ response }) => {
    const body = siblings === null ? reports.readiness.read() : await readyOfAll(siblings, wasWhole ? peers() : null);
    wasWhole ||= body.ready;
    probes.note('/readyz', body.ready ? 200 : 503, body);
    if (!body.ready) {
      response.statusCode = 503;
      response.setHeader('Retry-After', '1');
    }
    return body;
  });
  router.raw('getMetrics', [
    metricsGate(settings),
    async (_request, response) => {
      const text = siblings === null ? await reports.metrics.text() : await metricsOfAll(siblings);
      response.type(reports.metrics.contentType).send(text);
    },
  ]);
}

/**
 * Readiness of all processes of this port: the balancer's connection may reach any of them, so each must be ready. If no other
 * node is ready either, the ready processes keep the port in the balancer: a client can retry after one process refuses it, but
 * not after the balancer refuses everybody.
 *
 * @param peers null while this container starts: then it is ready only when all its processes are.
 */
async function readyOfAll(siblings: Siblings, peers: PeersView | null): Promise<Extract<Readyz, { nodes: unknown }>> {
  const nodes: (ReadinessReport | { ready: false; node_id: string })[] = [];
  const reasons: string[] = [];
  for (const { nodeId, answer } of await siblings.ask('ready')) {
    const report = answer as ReadinessReport | null;
    nodes.push(report ?? { ready: false, node_id: nodeId });
    for (const reason of report?.reasons ?? ['does not answer']) reasons.push(`${nodeId}: ${reason}`);
  }
  const borne = reasons.length > 0 && peers?.fit === 0 && nodes.some(({ ready }) => ready);
  if (borne) return { ready: true, nodes, reasons: [], notices: reasons };
  return { ready: nodes.length > 0 && reasons.length === 0, nodes, reasons, notices: [] };
}

/** A process that does not answer is missing from the text. Prometheus sees its series end. */
async function metricsOfAll(siblings: Siblings): Promise<string> {
  const answers = await siblings.ask('metrics');
  return mergeMetrics(
    answers.flatMap(({ nodeId, answer }) => (typeof answer === 'string' ? [{ nodeId, text: answer }] : [])),
  );
}

/** With METRICS_TOKEN the token is required. Without it the page is open, and in production it answers 404. */
function metricsGate({ metricsToken, nodeEnv }: Settings): RequestHandler {
  if (metricsToken === null) {
    return (_request, _response, next) => {
      if (nodeEnv === 'production') throw new RestProblem(404, 'NOT_FOUND', 'This path does not exist.');
      next();
    };
  }
  const expected = digest(metricsToken);
  return (request, _response, next) => {
    const given = bearerToken(request.headers.authorization);
    if (given === null) throw authError('missing');
    // Digests have equal length, and the time of the comparison reveals nothing about the token.
    if (!timingSafeEqual(digest(given), expected)) {
      throw new AppError('AUTH_ERROR', 'The token for the metrics is wrong.', {
        details: { reason: 'wrong_token' },
      });
    }
    next();
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
