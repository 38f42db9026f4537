import type { Connection } from './connection.js';
import { type Place, UserOrder } from './userOrder.js';

/** The authenticated connections of this node, from before their claim is sent until they close (C1). */
export class ConnectionTable {
  private readonly byId = new Map<string, Connection>();
  private readonly byUser = new Map<string, Connection | Connection[]>();
  private readonly order = new UserOrder<Connection>();

  get size(): number {
    return this.byId.size;
  }

  add(connection: Connection): void {
    this.byId.set(connection.id, connection);
    this.order.add(connection);
    const known = this.byUser.get(connection.userId);
    if (known === undefined) this.byUser.set(connection.userId, connection);
    else this.byUser.set(connection.userId, [...(Array.isArray(known) ? known : [known]), connection]);
  }

  remove(connection: Connection): void {
    if (!this.byId.delete(connection.id)) return;
    this.order.remove(connection);
    const known = this.byUser.get(connection.userId);
    if (known === connection) this.byUser.delete(connection.userId);
    if (!Array.isArray(known)) return;
    const left = known.filter((one) => one !== connection);
    if (left.length > 1) this.byUser.set(connection.userId, left);
    else if (left[0]) this.byUser.set(connection.userId, left[0]);
    else this.byUser.delete(connection.userId);
  }

  get(id: string): Connection | undefined {
    return this.byId.get(id);
  }

  /** All connections of a user on this node: more than one only while the newest replaces the others. */
  ofUser(userId: string): readonly Connection[] {
    const known = this.byUser.get(userId);
    return known === undefined ? [] : Array.isArray(known) ? known : [known];
  }

  hasUser(userId: string): boolean {
    return this.byUser.has(userId);
  }

  /** Connections after a place in the order of users, which is the same on all nodes; null: from the start. Valid in this turn only. */
  inUserOrder(after: Place | null): IterableIterator<Connection> {
    return this.order.after(after);
  }

  all(): IterableIterator<Connection> {
    return this.byId.values();
  }
}
