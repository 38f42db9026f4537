import type { ClusterStatsReport, NodeStats, QueueSummary } from '@unified-ws/protocol';
import type { JobCounts } from '../../events/queue/queueEngine.js';
import type { NodeParts } from '../nodeParts.js';
import type { NodeFacts } from './nodeFacts.js';

const STATS = 'stats';

/** Statistics over the whole cluster: every node is asked, and nodes that do not answer are named (G7). */
export class ClusterStats {
  private readonly parts: NodeParts;

  constructor(parts: NodeParts, facts: NodeFacts) {
    this.parts = parts;
    parts.commands.handle(STATS, () => facts.read());
  }

  /** Answers within COMMAND_TIMEOUT_MS. */
  async read(): Promise<ClusterStatsReport> {
    const { commands, settings, clock, failureDetector, nodeProcesses } = this.parts;
    const [asked, queue] = await Promise.all([commands.askAll(STATS, null, settings.commandTimeoutMs), this.queue()]);
    const nodes = ([...asked.answers] as [string, NodeStats][])
      .map(([lease, stats]) => completed(stats, nodeProcesses.processOf(lease)))
      .sort((a, b) => compare(a.node_id, b.node_id) || compare(a.process_id, b.process_id));
    const sum = (pick: (node: NodeStats) => number): number => nodes.reduce((total, node) => total + pick(node), 0);
    return {
      generated_at: new Date(clock.now()).toISOString(),
      node_id: settings.nodeId,
      total_connections: sum(({ connections }) => connections.total),
      max_connections: sum(({ connections }) => connections.max),
      pending_auth: sum(({ connections }) => connections.pending_auth),
      connections_by_status: merge(nodes.map(({ connections }) => connections.by_status)),
      total_messages_received: sum((node) => node.messages_received),
      total_messages_sent: sum(({ delivery }) => delivery.deliveries),
      total_events_processed: sum(({ queue_workers }) =>
        // A node of the build before this one says nothing of `direct`.
        queue_workers.lanes.reduce((total, { appended, direct = 0 }) => total + appended + direct, 0),
      ),
      event_queue_size: queue?.size ?? null,
      event_queue_max: settings.eventQueueMax,
      uptime_seconds: Math.max(0, ...nodes.map((node) => node.uptime_seconds)),
      total_errors: sum(({ errors }) => errors.total),
      errors_by_code: merge(nodes.map(({ errors }) => errors.by_code)),
      refused_upgrades: merge(nodes.map(({ connections }) => connections.refused)),
      queue,
      nodes,
      missing_nodes: commands.missingNodes(asked, failureDetector.diedSince(0)),
    };
  }

  /** Null when the queues do not answer: the other statistics are returned all the same. */
  private async queue(): Promise<QueueSummary | null> {
    const { queues, settings, report } = this.parts;
    try {
      const [byQueue, paused] = await Promise.all([queues.counts(), queues.paused()]);
      const counts = merge([...byQueue.values()]) as unknown as JobCounts;
      const size = (counts.waiting ?? 0) + (counts.delayed ?? 0) + (counts.active ?? 0);
      return { size, max: settings.eventQueueMax, counts, by_queue: Object.fromEntries(byQueue), paused };
    } catch (error) {
      report(error, 'operations.queue_counts');
      return null;
    }
  }
}

/** A node of an earlier version leaves out fields that were added since. */
const ADDED = { notices: [], clock: { offset_ms: null, redis_offset_ms: {} } } satisfies Partial<NodeStats>;
const ADDED_CHECKS = { parts: { ok: true, value: null, limit: 'running' } } satisfies Partial<NodeStats['checks']>;

function completed(stats: NodeStats, processId: string): NodeStats {
  return { ...ADDED, ...{ process_id: processId }, ...stats, checks: { ...ADDED_CHECKS, ...stats.checks } };
}

/** Sums records by key. */
export function merge(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums = new Map<string, number>();
  for (const record of records) {
    for (const [key, value] of Object.entries(record)) sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return Object.fromEntries(sums);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
