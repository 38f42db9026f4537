import { CLOSE } from '@unified-ws/protocol';
import type { Core } from '../../core.js';
import { formatLogPosition } from '../../delivery/broadcast/logPosition.js';
import type { Fanout } from '../../delivery/fanout.js';
import type { UserScope } from '../../delivery/user/userScope.js';
import type { Claims } from '../../registry/claim/claims.js';
import type { Amendment } from '../../registry/store/amendment.js';
import { withTimeout } from '../../util/withTimeout.js';
import type { Backpressure } from './backpressure.js';
import type { Connection, ConnectionHost } from './connection.js';
import { faultsOf, type HealthLimits } from './connectionHealth.js';
import type { ConnectionTable } from './connectionTable.js';
import type { Liveness } from './liveness.js';
import type { SecurityRecords } from './securityRecords.js';
import type { UnregisteredConnections } from './unregistered.js';

interface SocketsParts extends Pick<Core, 'clock' | 'logger'> {
  readonly table: ConnectionTable;
  readonly fanout: Fanout;
  readonly userScope: UserScope;
  readonly claims: Claims;
  readonly liveness: Liveness;
  readonly backpressure: Backpressure;
  readonly unregistered: Pick<UnregisteredConnections, 'size'>;
  readonly healthLimits: HealthLimits;
  readonly securityRecords: Pick<SecurityRecords, 'closed'>;
  readonly amend: (connection: Connection, amendment: Amendment) => void;
}

/** Every socket of this node from upgrade to the end of TCP, and the effects of suspending, resuming and ending one. */
export class Sockets implements ConnectionHost {
  /** Number of closed connections, by close code. */
  readonly closed = new Map<number, number>();
  accepted = 0;
  private readonly parts: SocketsParts;
  private readonly all = new Set<Connection>();
  private emptied: (() => void) | null = null;
  private leaving = 0;

  constructor(parts: SocketsParts) {
    this.parts = parts;
  }

  get size(): number {
    return this.all.size;
  }

  /** Number of connections that have not authenticated. A closing one counts until its socket has ended. */
  get pendingAuth(): number {
    return Math.max(0, this.all.size - this.parts.table.size - this.parts.unregistered.size - this.leaving);
  }

  now(): number {
    return this.parts.clock.now();
  }

  add(connection: Connection): void {
    this.accepted += 1;
    this.all.add(connection);
  }

  onAmended(connection: Connection, amendment: Amendment): void {
    this.parts.amend(connection, amendment);
  }

  onSuspended(connection: Connection): void {
    const { fanout, logger, clock } = this.parts;
    connection.suspendedAt = fanout.leave(connection);
    logger.debug({ mono: clock.mono(), conn: connection.id, user: connection.userId }, 'suspended');
  }

  onRegained(connection: Connection): void {
    const { fanout, userScope, logger, clock } = this.parts;
    const { suspendedAt } = connection;
    connection.suspendedAt = null;
    if (!connection.delivered || !connection.clearance) return;
    // The mailbox continues at its position; the suspension loses nothing.
    userScope.start(connection);
    const { position } = fanout;
    logger.debug(
      { mono: clock.mono(), conn: connection.id, user: connection.userId, fence: connection.fence },
      'regained',
    );
    if (suspendedAt !== null && suspendedAt.epoch === position.epoch) {
      fanout.enter(connection, suspendedAt);
      return;
    }
    // The log was replaced meanwhile, which is announced and never skipped silently (L1).
    const from = suspendedAt && formatLogPosition(suspendedAt.epoch, suspendedAt);
    connection.send('gap', { scope: 'broadcast', from, to: fanout.positionText, reason: 'log_reset' });
    if (connection.isOpen()) fanout.enter(connection);
  }

  isHealthy(connection: Connection): boolean {
    return faultsOf(connection, this.parts.healthLimits).length === 0;
  }

  onCongested(connection: Connection): void {
    this.parts.backpressure.watch(connection);
  }

  onEnd(connection: Connection, code: number, detail: string): void {
    const { table, fanout, claims, liveness, backpressure, logger, clock } = this.parts;
    table.remove(connection);
    fanout.drop(connection);
    backpressure.forget(connection);
    if (connection.identity !== null && !connection.shape) claims.release(connection);
    this.leaving += 1;
    if (connection.status === 'closing') liveness.awaitClose(connection);
    this.closed.set(code, (this.closed.get(code) ?? 0) + 1);
    const { id: conn, userId: user, fence } = connection;
    logger.debug({ mono: clock.mono(), conn, user, fence, code, detail }, 'closed');
    this.parts.securityRecords.closed(connection, code, detail);
  }

  /** Closes all connections with the delay after which to reconnect. Resolves when all sockets have ended or time is up. */
  async closeAll(timeoutMs: number, reconnectAfterMs: () => number): Promise<void> {
    for (const connection of [...this.all]) {
      if (!connection.isOpen()) continue;
      const delay = reconnectAfterMs();
      if (connection.established) connection.send('server_draining', { reconnect_after_ms: delay });
      connection.end(CLOSE.DRAINING, `reconnect_after_ms=${delay}`);
    }
    if (this.all.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.emptied = resolve;
    });
    await withTimeout(empty, timeoutMs, undefined);
    for (const connection of this.all) connection.ws.terminate();
  }

  onGone(connection: Connection): void {
    if (!this.all.delete(connection)) return;
    this.leaving -= 1;
    this.parts.liveness.forget(connection);
    if (this.all.size === 0) this.emptied?.();
  }
}
