import type { ClusterStatsReport, NodeStats, ServerData } from '@unified-ws/protocol';
import type { ClusterStats } from './clusterStats.js';

type ConnectionStatsReply = ServerData<'connection_stats'>;
type RouterStatsReply = ServerData<'router_stats'>;
type SystemMetricsReply = ServerData<'system_metrics'>;

/** Single parts of the cluster's statistics, for admins: each is a part of `GET /stats`. */
export class StatsViews {
  private readonly stats: Pick<ClusterStats, 'read'>;

  constructor(stats: Pick<ClusterStats, 'read'>) {
    this.stats = stats;
  }

  async connections(): Promise<ConnectionStatsReply> {
    const report = await this.stats.read();
    const nodes = report.nodes.map((node) => ({
      node_id: node.node_id,
      uptime_seconds: node.uptime_seconds,
      ...connectionCounts(node),
    }));
    return {
      ...head(report),
      ...total(report.nodes.map(connectionCounts)),
      uptime_seconds: report.uptime_seconds,
      nodes,
      missing_nodes: report.missing_nodes,
    };
  }

  async router(): Promise<RouterStatsReply> {
    const report = await this.stats.read();
    const { queue } = report;
    const nodes = report.nodes.map((node) => ({
      node_id: node.node_id,
      standing_aside: node.queue_workers.standing_aside,
      ...routerCounts(node),
    }));
    return {
      ...head(report),
      ...total(report.nodes.map(routerCounts)),
      event_queue_size: report.event_queue_size,
      event_queue_max: report.event_queue_max,
      paused_queues: queue?.paused ?? [],
      nodes,
      missing_nodes: report.missing_nodes,
    };
  }

  async system(): Promise<SystemMetricsReply> {
    const report = await this.stats.read();
    const { total_connections, total_messages_sent, total_events_processed, event_queue_size } = report;
    return {
      ...head(report),
      websocket: { total_connections, total_messages_sent, total_events_processed, event_queue_size },
      nodes: report.nodes.map(systemFacts),
      missing_nodes: report.missing_nodes,
    };
  }
}

function head({ generated_at, node_id }: ClusterStatsReport): Pick<ClusterStatsReport, 'generated_at' | 'node_id'> {
  return { generated_at, node_id };
}

function connectionCounts({ connections, registry, delivery, errors, ...node }: NodeStats) {
  return {
    total_connections: connections.total,
    max_connections: connections.max,
    pending_auth: connections.pending_auth,
    connections_with_errors: connections.with_errors,
    buffered_bytes: connections.buffered_bytes,
    connections_by_status: connections.by_status,
    accepted: connections.accepted,
    established: connections.established,
    takeovers: registry.takeovers,
    evictions: registry.evictions,
    total_messages_received: node.messages_received,
    total_messages_sent: delivery.deliveries,
    closed: connections.closed,
    refused_upgrades: connections.refused,
    messages_by_type: node.messages_by_type,
    total_errors: errors.total,
    errors_by_code: errors.by_code,
  };
}

function routerCounts({ delivery, mailboxes, publishes, events_over_rate, queue_workers }: NodeStats) {
  const { lanes, refused } = queue_workers;
  const none = { appended: 0, duplicates: 0, expired: 0, poisoned: 0, direct: 0, queued: 0 };
  // A node of the build before this one says nothing of `direct` and `queued`.
  const workers = lanes.map(({ appended, duplicates, expired, poisoned, direct = 0, queued = 0 }) => {
    return { appended, duplicates, expired, poisoned, direct, queued };
  });
  return {
    delivery,
    mailboxes,
    workers: total([none, ...workers]),
    publishes,
    refused_publishes: refused,
    events_over_rate,
  };
}

function systemFacts(node: NodeStats): SystemMetricsReply['nodes'][number] {
  const { node_id, host, pid, version, node_version, uptime_seconds, ready, draining, memory } = node;
  return {
    node_id,
    host,
    pid,
    version,
    node_version,
    uptime_seconds,
    ready,
    draining,
    total_connections: node.connections.total,
    system: node.machine,
    process: {
      cpu_percent: node.cpu_percent,
      memory_rss: memory.rss,
      heap_used: memory.heap_used,
      heap_total: memory.heap_total,
      external: memory.external,
    },
    event_loop_lag_ms: node.event_loop_lag_ms,
  };
}

/** Adds up objects of one shape, field by field, including fields that only some have. At least one object is given. */
function total<T extends object>(parts: readonly T[]): T {
  const sums = new Map<string, unknown>();
  for (const part of parts) {
    for (const [name, value] of Object.entries(part)) {
      const sum = sums.get(name);
      if (typeof value === 'number') sums.set(name, (typeof sum === 'number' ? sum : 0) + value);
      else sums.set(name, sum === undefined ? value : total([sum as object, value as object]));
    }
  }
  return Object.fromEntries(sums) as T;
}
