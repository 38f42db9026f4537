import type { ConnectionReport, ConnectionStatus } from '@unified-ws/protocol';
import type { Connection } from '../../connections/lifecycle/connection.js';
import { faultsOf, type HealthLimits } from '../../connections/lifecycle/connectionHealth.js';
import { WIRE_STATUS } from '../../connections/lifecycle/connectionState.js';
import { expiryOf } from '../../connections/lifecycle/tokenEnd.js';
import { nodeOfLease } from '../../registry/nodes/lease.js';
import { AppError } from '../../util/appError.js';
import type { NodeParts } from '../nodeParts.js';

const CONNECTION = 'connection';
/** The owner does not know the connection: its release is under way, or the user moved. Read the registry again after this, ms. */
const REREAD_MS = 25;

/** Known only to the owner's node: null when the node could not be asked. */
type MaybeLive = Omit<ConnectionReport, Exclude<keyof ConnectionReport, keyof typeof NOT_KNOWN>>;
/** The same, when the node was asked; only these fields may still be unknown. */
type LiveDetails = {
  readonly [K in keyof MaybeLive]: K extends 'last_ping' | 'last_pong' | 'expires_at'
    ? MaybeLive[K]
    : NonNullable<MaybeLive[K]>;
};

const NOT_KNOWN = {
  status: null,
  is_healthy: null,
  health_reasons: null,
  subscriptions: null,
  permissions: null,
  message_count: null,
  error_count: null,
  consecutive_errors: null,
  buffered_bytes: null,
  last_activity: null,
  last_ping: null,
  last_pong: null,
  expires_at: null,
} as const satisfies Partial<ConnectionReport>;

/** What Connection.facts() stored. */
interface Facts {
  readonly username?: string | null;
  readonly roles?: readonly string[];
  readonly ip?: string;
  readonly since?: string;
}

type Owner = NonNullable<Awaited<ReturnType<NodeParts['store']['owner']>>>;

/** One user's connection, on any node. */
export class ConnectionLookup {
  private readonly parts: NodeParts;

  constructor(parts: NodeParts) {
    this.parts = parts;
    parts.commands.handle(CONNECTION, (conn) => this.live(String(conn)));
  }

  /**
   * Null when the user is not connected. Answers within COMMAND_TIMEOUT_MS.
   *
   * @throws AppError UNAVAILABLE when Redis does not answer.
   */
  async find(userId: string): Promise<ConnectionReport | null> {
    const { commands, clock, settings } = this.parts;
    const deadline = clock.mono() + settings.commandTimeoutMs;
    for (;;) {
      const owner = await this.owner(userId);
      if (owner === null) return null;
      const left = Math.max(1, deadline - clock.mono());
      const live = (await commands.request(owner.lease, CONNECTION, owner.conn, left)) as
        | LiveDetails
        | null
        | undefined;
      if (live) return describe(userId, owner, live);
      // Null: no longer there. The user moved, or the entry is about to count as absent (C14).
      if (live === undefined || clock.mono() + REREAD_MS >= deadline) return describe(userId, owner, live);
      await new Promise((resolve) => setTimeout(resolve, REREAD_MS));
    }
  }

  private async owner(userId: string): Promise<Owner | null> {
    const { store, failureDetector, report } = this.parts;
    try {
      const owner = await store.owner(userId);
      // An entry of a dead lease counts as absent (C11).
      return owner === null || failureDetector.isDead(owner.lease) ? null : owner;
    } catch (error) {
      report(error, 'operations.connection');
      throw new AppError('UNAVAILABLE', 'The registry does not answer; try again.', { cause: error });
    }
  }

  private live(conn: string): LiveDetails | null {
    const { table, settings, clock } = this.parts;
    const connection = table.get(conn);
    return connection ? details(connection, { ...settings, clock }) : null;
  }
}

function describe(userId: string, owner: Owner, live: LiveDetails | null | undefined): ConnectionReport {
  const { username = null, roles = [], ip = null, since = null } = JSON.parse(owner.facts || '{}') as Facts;
  return {
    user_id: userId,
    username,
    roles,
    is_admin: roles.includes('admin'),
    ip,
    connected_at: since,
    connection_id: owner.conn,
    node_id: nodeOfLease(owner.lease),
    fence: Number(owner.fence),
    node_reachable: live !== undefined,
    ...(live ?? NOT_KNOWN),
  };
}

function details(connection: Connection, limits: HealthLimits): LiveDetails {
  const { identity } = connection;
  const faults = faultsOf(connection, limits);
  return {
    status: WIRE_STATUS[connection.status] as ConnectionStatus,
    is_healthy: faults.length === 0,
    health_reasons: faults,
    subscriptions: [...(connection.types?.names ?? [])],
    permissions: [...(connection.clearance?.permissions ?? [])],
    message_count: connection.messages,
    error_count: connection.errors,
    consecutive_errors: connection.consecutiveErrors,
    buffered_bytes: connection.buffered,
    last_activity: time(connection.lastActivity),
    last_ping: connection.lastPing === 0 ? null : time(connection.lastPing),
    last_pong: connection.lastPong === 0 ? null : time(connection.lastPong),
    expires_at: identity ? expiryOf(connection) : null,
  };
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
