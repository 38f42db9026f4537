import type { ClusterNode, ClusterNodes, NodeDrained, NodeStats } from '@unified-ws/protocol';
import type { Commands } from '../bus/commands.js';
import type { Clock } from '../clock.js';
import { nodeOfLease } from '../registry/lease.js';
import type { Actor, Audit } from './audit.js';
import { missingNode, nodeHealth } from './health.js';
import type { ClusterStats } from './stats.js';

const DRAIN = 'drain';

/** The nodes of the cluster, those that do not answer too. */
export async function listNodes(stats: Pick<ClusterStats, 'read'>): Promise<ClusterNodes> {
  const { generated_at, nodes, missing_nodes } = await stats.read();
  const silent = missing_nodes.map((nodeId): ClusterNode => ({ ...standing(missingNode(nodeId)), facts: null }));
  return { generated_at, nodes: [...nodes.map(describe), ...silent] };
}

function describe(node: NodeStats): ClusterNode {
  const { lease, host, pid, version, uptime_seconds, connections, cpu_percent, memory, event_loop_lag_ms } = node;
  return {
    ...standing(nodeHealth(node)),
    facts: {
      lease,
      host,
      pid,
      version,
      uptime_seconds,
      total_connections: connections.total,
      max_connections: connections.max,
      cpu_percent,
      memory_rss: memory.rss,
      event_loop_lag_ms: event_loop_lag_ms.p99,
    },
  };
}

function standing({ node_id, state, score, reasons }: ReturnType<typeof nodeHealth>): Omit<ClusterNode, 'facts'> {
  return { node_id, state, score, reasons };
}

export interface DrainsParts {
  readonly commands: Commands;
  readonly audit: Audit;
  readonly clock: Clock;
  /** COMMAND_TIMEOUT_MS: the answer comes within it. */
  readonly timeoutMs: number;
  /** Begins to drain this node, or goes on; the connections that are open. */
  readonly drain: () => number;
}

/**
 * Takes nodes out of service: not ready, no new connections, the old ones sent away with a hint, as on SIGTERM. But the process
 * goes on, or whoever watches over it would start it again at once and undo the order; it tells of itself, works on the event
 * queue, and serves again when it is started anew.
 */
export class Drains {
  private readonly parts: DrainsParts;

  constructor(parts: DrainsParts) {
    this.parts = parts;
    parts.commands.handle(DRAIN, () => parts.drain());
  }

  /** Null when there is no such node. Answers within COMMAND_TIMEOUT_MS. */
  async drain(nodeId: string, reason: string, actor: Actor): Promise<NodeDrained | null> {
    const { commands, audit, clock, timeoutMs } = this.parts;
    const startedAt = clock.mono();
    // More than one while the former life of a restarted node is not known dead.
    const leases = commands.everybody().filter((lease) => nodeOfLease(lease) === nodeId);
    if (leases.length === 0) return null;
    const { answers } = await commands.askAll(DRAIN, null, timeoutMs, leases);
    const [connections] = answers.values() as IterableIterator<number | undefined>;
    const result = connections === undefined ? 'node_unreachable' : 'draining';
    audit.write(actor, { action: 'drain', target: nodeId, reason, result });
    const took_ms = Math.round(clock.mono() - startedAt);
    return { node_id: nodeId, result, connections: connections ?? null, took_ms };
  }
}
