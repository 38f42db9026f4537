import type { Progress } from '../../connections/lifecycle/authority.js';
import type { Ended, Noted, Reviewed, UnregisteredConnections } from '../../connections/lifecycle/unregistered.js';
import type { LegacyConnection } from './legacyConnection.js';
import type { LegacyOrders } from './legacyOrders.js';
import type { LegacyParts } from './legacyParts.js';

interface LegacyConnectionsParts extends Pick<LegacyParts, 'table' | 'review' | 'authority'> {
  readonly orders: LegacyOrders;
}

/** The legacy connections, for admin operations, recovery and statistics. */
export class LegacyConnections implements UnregisteredConnections {
  private readonly parts: LegacyConnectionsParts;

  constructor(parts: LegacyConnectionsParts) {
    this.parts = parts;
  }

  get size(): number {
    return this.parts.table.size;
  }

  all(): Iterable<LegacyConnection> {
    return this.parts.table.all();
  }

  noted(userId: string): Promise<readonly Noted[]> {
    return this.parts.orders.noted(userId);
  }

  end(userId: string, code: number, reason: string, deadline: number): Promise<Ended> {
    return this.parts.orders.end(userId, code, reason, deadline);
  }

  review(userId: string, deadline: number): Promise<Reviewed> {
    return this.parts.orders.review(userId, deadline);
  }

  reconcile(): Promise<void> {
    return this.parts.review.all();
  }

  reevaluateAll(progress: Progress): Promise<void> {
    return this.parts.authority.reevaluateAll(this.parts.table.all(), progress);
  }
}
