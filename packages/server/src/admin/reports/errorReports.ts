import type { ClusterErrorsReport, ConnectionErrors, ConnectionStatus, RecordedError } from '@unified-ws/protocol';
import type { Connection } from '../../connections/lifecycle/connection.js';
import { WIRE_STATUS } from '../../connections/lifecycle/connectionState.js';
import { nodeOfLease } from '../../registry/nodes/lease.js';
import type { NodeParts } from '../nodeParts.js';
import { merge } from './clusterStats.js';

const ERRORS = 'errors';
/** A connection with more errors per minute than this is listed; the limit of the former server. */
const HIGH_RATE_PER_MINUTE = 2;
/** A younger connection is rated as if it had lived this long, ms: its first error is not a rate. */
const MIN_LIFE_MS = 60_000;
/** Listed per node; also the limit of the newest errors in total. */
const MAX_LISTED = 50;
const MAX_RECENT = 100;

interface NodeErrors {
  readonly total: number;
  readonly by_code: Readonly<Record<string, number>>;
  readonly connections_with_errors: number;
  readonly high_error_rate_connections: readonly ConnectionErrors[];
  readonly recent: readonly RecordedError[];
}

/** Errors sent to clients of the cluster. */
export class ErrorReports {
  private readonly parts: NodeParts;

  constructor(parts: NodeParts) {
    this.parts = parts;
    parts.commands.handle(ERRORS, () => this.own());
  }

  /** Answers within COMMAND_TIMEOUT_MS. */
  async read(): Promise<ClusterErrorsReport> {
    const { commands, settings, clock, failureDetector } = this.parts;
    const { answers, missing } = await commands.askAll(ERRORS, null, settings.commandTimeoutMs);
    const nodes = [...answers].map(([lease, answer]) => ({ nodeId: nodeOfLease(lease), ...(answer as NodeErrors) }));
    const recent = nodes.flatMap(({ nodeId, recent: errors }) =>
      errors.map((error) => ({ ...error, node_id: nodeId })),
    );
    return {
      generated_at: new Date(clock.now()).toISOString(),
      total_errors: nodes.reduce((sum, { total }) => sum + total, 0),
      by_code: merge(nodes.map(({ by_code }) => by_code)),
      connections_with_errors: nodes.reduce((sum, node) => sum + node.connections_with_errors, 0),
      high_error_rate_connections: nodes.flatMap((node) => node.high_error_rate_connections).sort(worstFirst),
      recent_errors: recent.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0)).slice(0, MAX_RECENT),
      missing_nodes: commands.missingNodes({ answers, missing }, failureDetector.diedSince(0)),
    };
  }

  private own(): NodeErrors {
    const { table, errorLog, clock, settings } = this.parts;
    const now = clock.now();
    let withErrors = 0;
    const high: ConnectionErrors[] = [];
    for (const connection of table.all()) {
      if (connection.errors === 0) continue;
      withErrors += 1;
      const found = describe(connection, now, settings.nodeId);
      if (found.error_rate_per_minute > HIGH_RATE_PER_MINUTE) high.push(found);
    }
    return {
      total: errorLog.byCode.total,
      by_code: errorLog.byCode.toRecord(),
      connections_with_errors: withErrors,
      high_error_rate_connections: high.sort(worstFirst).slice(0, MAX_LISTED),
      recent: errorLog.recent(),
    };
  }
}

function describe(connection: Connection, now: number, nodeId: string): ConnectionErrors {
  const minutes = Math.max(MIN_LIFE_MS, now - connection.connectedAt) / 60_000;
  return {
    user_id: connection.userId,
    username: connection.identity?.username ?? null,
    connection_id: connection.id,
    node_id: nodeId,
    error_count: connection.errors,
    error_rate_per_minute: Math.round((connection.errors / minutes) * 100) / 100,
    consecutive_errors: connection.consecutiveErrors,
    status: WIRE_STATUS[connection.status] as ConnectionStatus,
  };
}

function worstFirst(a: ConnectionErrors, b: ConnectionErrors): number {
  return b.error_rate_per_minute - a.error_rate_per_minute;
}
