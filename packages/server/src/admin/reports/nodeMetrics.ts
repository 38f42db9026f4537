import { CONNECTION_METRICS } from '../../connections/connectionMetrics.js';
import { surveyConnections } from '../../connections/lifecycle/surveyConnections.js';
import { DELIVERY_METRICS } from '../../delivery/deliveryMetrics.js';
import { deliveryTotals } from '../../delivery/deliveryTotals.js';
import { EVENT_METRICS } from '../../events/eventMetrics.js';
import type { QueueSample } from '../../events/queue/queueSample.js';
import { HEALTH_METRICS } from '../../observability/health/healthMetrics.js';
import type { LoopLag } from '../../observability/health/loopLag.js';
import { PROCESS_METRICS, readProcess } from '../../observability/health/processMetrics.js';
import type { Readiness } from '../../observability/health/readiness.js';
import { LOG_METRICS } from '../../observability/log/logMetrics.js';
import { type MetricList, metricList } from '../../observability/metrics/metric.js';
import { NODE_COUNTS_METRICS } from '../../observability/metrics/nodeCountsMetrics.js';
import { REDIS_METRICS } from '../../redis/redisMetrics.js';
import { REGISTRY_METRICS } from '../../registry/registryMetrics.js';
import type { NodeParts } from '../nodeParts.js';

/** The parts of a node that count, those that the reports make included. */
interface CountingParts extends NodeParts {
  readonly readiness: Readiness;
  readonly lag: LoopLag;
  readonly sample: QueueSample;
}

/** Every list of metrics, and where it reads, in the order of docs/METRICS.md. */
export const NODE_METRICS: readonly MetricList<CountingParts>[] = [
  metricList(HEALTH_METRICS, ({ readiness }) => readiness.read()),
  metricList(REGISTRY_METRICS, (parts) => parts),
  metricList(REDIS_METRICS, (parts) => parts),
  metricList(CONNECTION_METRICS, ({ settings, sockets, backpressure, table, unregistered }) => ({
    settings,
    sockets,
    backpressure,
    survey: surveyConnections({ table, unregistered, sockets }),
  })),
  metricList(NODE_COUNTS_METRICS, ({ counts }) => counts),
  metricList(LOG_METRICS, (parts) => parts),
  metricList(DELIVERY_METRICS, ({ fanout, userScope, acks, compression }) => ({
    fanout,
    userScope,
    acks,
    compression,
    totals: deliveryTotals(fanout),
  })),
  metricList(EVENT_METRICS, ({ clock, sample, queues, typeRates, mailboxes, ephemeral }) => ({
    clock,
    sample: sample.look(),
    workers: queues.stats(),
    typeRates,
    mailboxes,
    ephemeral,
  })),
  metricList(PROCESS_METRICS, ({ lag, clock }) => readProcess(lag, clock.now())),
];
