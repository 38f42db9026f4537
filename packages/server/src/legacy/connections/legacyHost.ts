import type { NodeParts } from '../../admin/nodeParts.js';
import type { Connection, ConnectionHost } from '../../connections/lifecycle/connection.js';
import type { Amendment } from '../../registry/store/amendment.js';
import type { LegacyConnection } from './legacyConnection.js';
import type { LegacyParts } from './legacyParts.js';

type LegacyHostParts = Pick<LegacyParts, 'authority' | 'table' | 'legacyRegistry'> &
  Pick<NodeParts, 'sockets' | 'report'>;

/** What happens when a legacy connection is amended or ends: as for all sockets, but with its own table and note. */
export class LegacyHost implements ConnectionHost {
  private readonly parts: LegacyHostParts;

  constructor(parts: LegacyHostParts) {
    this.parts = parts;
  }

  now(): number {
    return this.parts.sockets.now();
  }

  onAmended(connection: Connection, amendment: Amendment): void {
    this.parts.authority.amend(connection, amendment);
  }

  onSuspended(connection: Connection): void {
    this.parts.sockets.onSuspended(connection);
  }

  onRegained(connection: Connection): void {
    this.parts.sockets.onRegained(connection);
  }

  onCongested(connection: Connection): void {
    this.parts.sockets.onCongested(connection);
  }

  isHealthy(connection: Connection): boolean {
    return this.parts.sockets.isHealthy(connection);
  }

  onEnd(connection: Connection, code: number, detail: string): void {
    const { table, legacyRegistry, sockets, report } = this.parts;
    const legacy = connection as LegacyConnection;
    // If Redis is away the note stays until it expires. An order that follows it finds no connection.
    if (table.remove(legacy))
      legacyRegistry.forget(legacy.userId, legacy.id).catch((error: unknown) => report(error, 'legacy.forget'));
    sockets.onEnd(connection, code, detail);
  }

  onGone(connection: Connection): void {
    this.parts.sockets.onGone(connection);
  }
}
