import type { ClusterNode, ClusterNodes, DrainBody, NodeDrained, NodeStats } from '@unified-ws/protocol';
import { presentLeases } from '../../registry/nodes/presentLeases.js';
import { AppError } from '../../util/appError.js';
import type { Actor } from '../audit/audit.js';
import type { NodeParts } from '../nodeParts.js';
import { missingNode, nodeHealth } from '../reports/clusterHealth.js';
import type { ClusterStats } from '../reports/clusterStats.js';
import { DrainTurn } from './drainTurn.js';

const DRAIN = 'drain';
const ENTRY = 'entry';

/** How a node treats new connections. `closed`: it will accept them again by itself. */
type NodeEntry = 'open' | 'closed' | 'draining';

/** The nodes of the cluster, including those that do not answer. */
export async function listNodes(stats: Pick<ClusterStats, 'read'>): Promise<ClusterNodes> {
  const { generated_at, nodes, missing_nodes } = await stats.read();
  const silent = missing_nodes.map(
    (nodeId): ClusterNode => ({ ...standing(missingNode(nodeId)), notices: [], facts: null }),
  );
  return { generated_at, nodes: [...nodes.map(describe), ...silent] };
}

function describe(node: NodeStats): ClusterNode {
  const { lease, host, pid, version, uptime_seconds, connections, cpu_percent, memory, event_loop_lag_ms, clock } =
    node;
  return {
    ...standing(nodeHealth(node)),
    notices: node.notices.map(({ text }) => text),
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
      clock,
    },
  };
}

type HealthSummary = Pick<ClusterNode, 'node_id' | 'process_id' | 'state' | 'score' | 'reasons'>;

function standing({ node_id, process_id, state, score, reasons }: ReturnType<typeof nodeHealth>): HealthSummary {
  return { node_id, process_id, state, score, reasons };
}

interface Target {
  readonly nodeId: string;
  readonly processId: string;
  readonly leases: readonly string[];
}

/**
 * Takes nodes out of service: not ready, no new connections, existing connections sent away with a hint, as on SIGTERM. The process
 * keeps running, because a supervisor would restart it at once and undo the order. It still reports, works on the event
 * queue, and serves again after a restart.
 */
export class Drains {
  private readonly turn: DrainTurn;

  constructor(
    private readonly parts: Pick<
      NodeParts,
      | 'commands'
      | 'audit'
      | 'clock'
      | 'settings'
      | 'drain'
      | 'isDraining'
      | 'recovery'
      | 'redis'
      | 'keys'
      | 'failureDetector'
      | 'nodeProcesses'
      | 'report'
    >,
  ) {
    parts.commands.handle(DRAIN, () => parts.drain());
    parts.commands.handle(ENTRY, () => this.entry());
    this.turn = new DrainTurn(parts);
  }

  /**
   * Null when there is no such node. Answers within COMMAND_TIMEOUT_MS.
   *
   * @param id of a node, or of a process when several processes share the name.
   * @throws AppError CONFLICT when several processes share the name: an order is for one of them. CONFLICT when no other node takes connections: clients would have nowhere to go. UNAVAILABLE when
   *   Redis does not answer.
   */
  drain(id: string, { reason, force = false }: DrainBody, actor: Actor): Promise<NodeDrained | null> {
    const order = { action: 'drain', target: id, reason, ...(force ? { details: { force } } : {}) };
    return this.parts.audit.order(actor, order, async () => {
      const done = await this.carryOut(id, force);
      if (done === null) return [null, 'not_found', 'refused'];
      // A node that did not answer may have received the order all the same.
      return [done, done.result, done.result === 'node_unreachable' ? 'unknown' : 'done'];
    });
  }

  private async carryOut(id: string, force: boolean): Promise<NodeDrained | null> {
    const { commands, clock, settings } = this.parts;
    const timeoutMs = settings.commandTimeoutMs;
    const startedAt = clock.mono();
    const everybody = await this.present();
    const found = this.find(id, everybody);
    if (found === null) return null;
    const { nodeId, processId, leases } = found;
    const end = force ? null : await this.turn.take(timeoutMs / 2, 2 * timeoutMs);
    let connections: number | undefined;
    try {
      const others = everybody.filter((lease) => !leases.includes(lease));
      if (!force) await this.requireEntry(leases, others, timeoutMs / 4);
      const leftMs = Math.max(timeoutMs / 4, startedAt + timeoutMs - clock.mono());
      const { answers } = await commands.askAll(DRAIN, null, leftMs, leases);
      [connections] = answers.values() as IterableIterator<number | undefined>;
    } finally {
      await end?.();
    }
    const result = connections === undefined ? 'node_unreachable' : 'draining';
    const took_ms = Math.round(clock.mono() - startedAt);
    return { node_id: nodeId, process_id: processId, result, connections: connections ?? null, took_ms };
  }

  /** @throws AppError CONFLICT */
  private find(id: string, everybody: readonly string[]): Target | null {
    const { nodeProcesses } = this.parts;
    const nodeId = id.split('~', 1)[0] as string;
    const processes = nodeProcesses.processesOf(nodeId, everybody);
    if (id === nodeId && processes.size > 1) {
      throw new AppError('CONFLICT', `Several nodes have the name ${nodeId}: choose one by its process_id.`, {
        details: { reason: 'ambiguous', processes: [...processes.keys()].sort() },
      });
    }
    const [processId] = id === nodeId ? [...processes.keys()] : [id];
    if (processId === undefined) return null;
    // A process may have a former lease that is not known dead yet.
    const leases = everybody.filter((lease) => nodeProcesses.processOf(lease) === processId);
    return leases.length === 0 ? null : { nodeId, processId, leases };
  }

  private entry(): NodeEntry {
    const { isDraining, recovery } = this.parts;
    if (isDraining()) return 'draining';
    return recovery.recoveryState === 'serving' ? 'open' : 'closed';
  }

  private async present(): Promise<readonly string[]> {
    const { redis, keys, failureDetector, report } = this.parts;
    try {
      return await presentLeases(redis, keys, failureDetector);
    } catch (error) {
      report(error, 'operations.drain');
      throw new AppError('UNAVAILABLE', 'The server cannot read the list of nodes; try again.', { cause: error });
    }
  }

  /** @throws AppError CONFLICT when no other node takes connections, unless this node is already draining. */
  private async requireEntry(leases: readonly string[], others: readonly string[], waitMs: number): Promise<void> {
    const { commands } = this.parts;
    const is = async (lease: string, wanted: NodeEntry): Promise<void> => {
      const entry = await commands.request(lease, ENTRY, null, waitMs);
      if (entry !== wanted) throw new Error('it is not');
    };
    // The first node that says so is enough: a node that hangs delays nothing.
    const fine = [...others.map((lease) => is(lease, 'open')), ...leases.map((lease) => is(lease, 'draining'))];
    const found = await Promise.any(fine).then(
      () => true,
      () => false,
    );
    if (found) return;
    throw new AppError('CONFLICT', 'No other node accepts connections. To drain this one anyway, send `force: true`.', {
      details: { reason: 'last_node' },
    });
  }
}
