import { LEGACY_GROUPS, type LegacyGroup } from '@unified-ws/protocol';
import type { LegacyConnection } from './legacyConnection.js';

/** The authenticated legacy connections of this node, from before their note is written until they close. */
export class LegacyTable {
  private readonly byId = new Map<string, LegacyConnection>();
  private readonly byUser = new Map<string, Set<LegacyConnection>>();

  get size(): number {
    return this.byId.size;
  }

  add(connection: LegacyConnection): void {
    this.byId.set(connection.id, connection);
    const known = this.byUser.get(connection.userId);
    if (known) known.add(connection);
    else this.byUser.set(connection.userId, new Set([connection]));
  }

  /** False if the connection was not in the table. */
  remove(connection: LegacyConnection): boolean {
    if (!this.byId.delete(connection.id)) return false;
    const known = this.byUser.get(connection.userId);
    known?.delete(connection);
    if (known?.size === 0) this.byUser.delete(connection.userId);
    return true;
  }

  get(id: string): LegacyConnection | undefined {
    return this.byId.get(id);
  }

  all(): Iterable<LegacyConnection> {
    return this.byId.values();
  }

  users(): Iterable<readonly [string, ReadonlySet<LegacyConnection>]> {
    return this.byUser;
  }

  countByGroup(): Record<LegacyGroup, number> {
    const counts = Object.fromEntries(LEGACY_GROUPS.map((group) => [group, 0])) as Record<LegacyGroup, number>;
    for (const { group } of this.byId.values()) counts[group] += 1;
    return counts;
  }
}
