import { QueueSample } from '../../events/queue/queueSample.js';
import { CpuLoad } from '../../observability/health/cpuLoad.js';
import { GcWatch } from '../../observability/health/gcWatch.js';
import { LoopLag } from '../../observability/health/loopLag.js';
import { Readiness, STALL_TOLD_MS } from '../../observability/health/readiness.js';
import { Metrics } from '../../observability/metrics/metrics.js';
import type { NodeParts } from '../nodeParts.js';
import { ClusterHealth } from './clusterHealth.js';
import { ClusterStats } from './clusterStats.js';
import { ConnectionList } from './connectionList.js';
import { ConnectionLookup } from './connectionLookup.js';
import { ErrorReports } from './errorReports.js';
import { NodeFacts } from './nodeFacts.js';
import { NODE_METRICS } from './nodeMetrics.js';
import { StatsViews } from './statsViews.js';

/** The reports of a node about itself and about the cluster. */
export type Reports = ReturnType<typeof createReports>;

/** Builds the reports of a node and answers other nodes' requests (bus commands `stats`, `errors`, `connection`, `connections`). */
export function createReports(parts: NodeParts) {
  const lag = new LoopLag();
  const cpu = new CpuLoad(parts.clock);
  const sample = new QueueSample(parts);
  const readiness = new Readiness(parts, lag, () => sample.look()?.paused ?? []);
  const facts = new NodeFacts(parts, readiness, lag, cpu);
  const gc = new GcWatch(parts.durations);
  const counting = { ...parts, readiness, lag, sample };
  const metrics = new Metrics([...NODE_METRICS, ...parts.moreMetrics], counting, parts.durations);
  const stats = new ClusterStats(parts, facts);
  return {
    readiness,
    metrics,
    stats,
    views: new StatsViews(stats),
    health: new ClusterHealth(stats, Math.min(STALL_TOLD_MS, parts.settings.workerStallMs)),
    errors: new ErrorReports(parts),
    connections: new ConnectionLookup(parts),
    connectionList: new ConnectionList(parts),
    start: (): void => {
      lag.start();
      cpu.start();
      gc.start();
    },
    stop: (): void => {
      lag.stop();
      cpu.stop();
      gc.stop();
    },
  };
}
