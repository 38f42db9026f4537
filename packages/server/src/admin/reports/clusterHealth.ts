import type { CheckName, ClusterHealthReport, NodeHealth, NodeStats, QueueSummary } from '@unified-ws/protocol';
import { PENALTY } from '../../observability/health/notices.js';
import { wholeTime } from '../../registry/time/clockWatch.js';
import type { ClusterStats } from './clusterStats.js';

const HEALTHY_FROM = 90;
const DEGRADED_FROM = 50;

/** Score of a node, out of 100, when a check fails. A node outside the cluster serves no one. */
const SCORE_WITHOUT: Readonly<Record<CheckName, number>> = {
  redis: 0,
  bus: 0,
  lease: 0,
  draining: 0,
  event_loop: 40,
  parts: 30,
  workers: 60,
};

/** Subtracted from the cluster's score for its queues: only the worst one counts. */
const QUEUE_PENALTIES = { unanswered: 60, full: 40, stalled: 60, nearlyFull: 20, failed: 10, paused: 10 } as const;
const NEARLY_FULL = 0.8;
const MAX_REDIS_OFF_MS = 2000;

/**
 * The health of the cluster. The score is the mean of its nodes' scores, minus deductions for queues and notices. Draining nodes
 * do not count while another node serves. The number of connections does not matter: a cluster
 * without any connection is healthy.
 */
export class ClusterHealth {
  private readonly stats: ClusterStats;
  private readonly stallReportedMs: number;

  /** @param stallToldMs a queue whose next job is not started for this long counts as stalled, ms. */
  constructor(stats: ClusterStats, stallReportedMs: number) {
    this.stats = stats;
    this.stallReportedMs = stallReportedMs;
  }

  async read(): Promise<ClusterHealthReport> {
    const report = await this.stats.read();
    const nodes = [...report.nodes.map(nodeHealth), ...report.missing_nodes.map(missingNode)];
    const queue = queueHealth(report.queue, stalledQueues(report.nodes, this.stallReportedMs));
    const counted = nodes.some(({ state }) => state === 'ready')
      ? nodes.filter(({ state }) => state !== 'draining')
      : nodes;
    const mean = counted.reduce((sum, node) => sum + node.score, 0) / Math.max(1, counted.length);
    const noticed = new Map([...noticesOf(report.nodes), ...clockNotices(report.nodes)]);
    const penalty = Math.max(queue.penalty, ...noticed.values());
    const score = Math.max(0, Math.round(mean - penalty));
    const reasons = nodes.flatMap((node) => node.reasons.map((reason) => `${nameOf(node, nodes)}: ${reason}`));
    return {
      status: score >= HEALTHY_FROM ? 'healthy' : score >= DEGRADED_FROM ? 'degraded' : 'unhealthy',
      score,
      reasons: [...reasons, ...queue.reasons, ...noticed.keys()],
      generated_at: report.generated_at,
      total_connections: report.total_connections,
      healthy_connections: report.nodes.reduce((sum, { connections }) => sum + connections.healthy, 0),
      recovering_connections: report.connections_by_status.recovering ?? 0,
      error_connections: report.nodes.reduce((sum, { connections }) => sum + connections.with_errors, 0),
      event_queue_size: report.event_queue_size,
      uptime_seconds: report.uptime_seconds,
      nodes,
      missing_nodes: report.missing_nodes,
    };
  }
}

/** A node_id shared by several processes does not identify one. */
function nameOf({ node_id, process_id }: NodeHealth, all: readonly NodeHealth[]): string {
  const alone = all.filter((node) => node.node_id === node_id).length === 1;
  return alone || process_id === null ? node_id : process_id;
}

/** The health of one node. */
export function nodeHealth(node: NodeStats): NodeHealth {
  const failed = (Object.keys(SCORE_WITHOUT) as CheckName[]).filter((name) => !node.checks[name].ok);
  return {
    node_id: node.node_id,
    process_id: node.process_id,
    state: node.draining ? 'draining' : node.ready ? 'ready' : 'not_ready',
    score: Math.min(100, ...failed.map((name) => SCORE_WITHOUT[name])),
    reasons: node.reasons,
    connections: node.connections.total,
    checks: node.checks,
  };
}

export function missingNode(nodeId: string): NodeHealth {
  const reasons = ['did not answer; it is paused, cut off, or died about a minute ago or less'];
  return { node_id: nodeId, process_id: null, state: 'no_answer', score: 0, reasons, connections: null, checks: null };
}

/** Notices of the nodes, each counted once: its deduction. */
function noticesOf(nodes: readonly NodeStats[]): ReadonlyMap<string, number> {
  const noticed = new Map<string, number>();
  for (const { notices } of nodes) {
    for (const { text, penalty } of notices) noticed.set(text, Math.max(penalty, noticed.get(text) ?? 0));
  }
  return noticed;
}

/** Compares the clock of Redis with the wall clocks of all nodes: if most nodes agree with each other, the clock of Redis is wrong. */
function clockNotices(nodes: readonly NodeStats[]): ReadonlyMap<string, number> {
  const offsets = nodes.flatMap(({ clock }) => clock.offset_ms ?? []).sort((a, b) => a - b);
  const median = ((offsets[(offsets.length - 1) >> 1] ?? 0) + (offsets[offsets.length >> 1] ?? 0)) / 2;
  const servers = new Map<string, number>();
  for (const { clock } of nodes) for (const [name, ms] of Object.entries(clock.redis_offset_ms)) servers.set(name, ms);
  const noticed = new Map<string, number>();
  for (const [name, ms] of servers) {
    const off = ms - median;
    if (offsets.length === 0 || Math.abs(off) <= MAX_REDIS_OFF_MS) continue;
    const far = `${wholeTime(Math.abs(off))} ${off < 0 ? 'behind' : 'ahead of'}`;
    noticed.set(`clock: the clock of Redis (${name}) is ${far} the median of the nodes' wall clocks`, PENALTY.degraded);
  }
  return noticed;
}

/** Queues whose next job is not started: for how long, by name. The node that has watched longest decides. */
function stalledQueues(nodes: readonly NodeStats[], limitMs: number): ReadonlyMap<string, number> {
  const stalled = new Map<string, number>();
  for (const { queue_workers } of nodes) {
    for (const { queue, stalled_ms } of queue_workers.lanes) {
      if (stalled_ms > Math.max(limitMs, stalled.get(queue) ?? 0)) stalled.set(queue, stalled_ms);
    }
  }
  return stalled;
}

function queueHealth(
  queue: QueueSummary | null,
  stalled: ReadonlyMap<string, number>,
): { readonly penalty: number; readonly reasons: readonly string[] } {
  if (queue === null) return { penalty: QUEUE_PENALTIES.unanswered, reasons: ['queue: does not answer'] };
  const reasons: string[] = [];
  let penalty = 0;
  const take = (points: number, reason: string): void => {
    penalty = Math.max(penalty, points);
    reasons.push(reason);
  };
  const { size, max, counts, paused } = queue;
  for (const [name, ms] of stalled) {
    take(
      QUEUE_PENALTIES.stalled,
      `queue: no worker has started the next job of ${name} for ${Math.round(ms / 1000)} s`,
    );
  }
  if (size >= max) take(QUEUE_PENALTIES.full, `queue: full (${size} of ${max} jobs)`);
  else if (size >= NEARLY_FULL * max) take(QUEUE_PENALTIES.nearlyFull, `queue: nearly full (${size} of ${max} jobs)`);
  if (paused.length > 0) take(QUEUE_PENALTIES.paused, `queue: paused by an admin (${paused.join(', ')})`);
  if (counts.failed > 0) take(QUEUE_PENALTIES.failed, `queue: ${counts.failed} failed jobs wait to be looked at`);
  return { penalty, reasons };
}
