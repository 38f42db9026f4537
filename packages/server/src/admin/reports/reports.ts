import { CpuLoad } from '../../observability/health/cpuLoad.js';
import { LoopLag } from '../../observability/health/loopLag.js';
import { Readiness, STALL_TOLD_MS } from '../../observability/health/readiness.js';
import { Metrics } from '../../observability/metrics/metrics.js';
import { QueueSample } from '../../observability/metrics/queueSample.js';
import { ClusterHealth } from './clusterHealth.js';
import { ClusterStats } from './clusterStats.js';
import { ConnectionList } from './connectionList.js';
import { ConnectionLookup } from './connectionLookup.js';
import { ErrorReports } from './errorReports.js';
import { NodeFacts } from './nodeFacts.js';
import type { NodeView } from './nodeView.js';
import { StatsViews } from './statsViews.js';

/** What a node tells of itself and of the cluster. */
export interface Reports {
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  readonly stats: ClusterStats;
  readonly views: StatsViews;
  readonly health: ClusterHealth;
  readonly errors: ErrorReports;
  readonly connections: ConnectionLookup;
  readonly connectionList: ConnectionList;
  start(): void;
  stop(): void;
}

/** Builds the reports of a node and makes it answer other nodes' questions (bus commands `stats`, `errors`, `connection`, `connections`). */
export function createReports(view: NodeView): Reports {
  const lag = new LoopLag();
  const cpu = new CpuLoad(view.clock);
  const sample = new QueueSample(view);
  const readiness = new Readiness(view, lag, () => sample.look()?.paused ?? []);
  const facts = new NodeFacts(view, readiness, lag, cpu);
  const metrics = new Metrics(view, facts, sample, view.moreMetrics);
  const stats = new ClusterStats(view, facts);
  return {
    readiness,
    metrics,
    stats,
    views: new StatsViews(stats),
    health: new ClusterHealth(stats, Math.min(STALL_TOLD_MS, view.settings.workerStallMs)),
    errors: new ErrorReports(view),
    connections: new ConnectionLookup(view),
    connectionList: new ConnectionList(view),
    start: () => {
      lag.start();
      cpu.start();
      metrics.start();
    },
    stop: () => {
      lag.stop();
      cpu.stop();
      metrics.stop();
    },
  };
}
