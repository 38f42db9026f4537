import type { Progress } from './authority.js';
import type { Connection } from './connection.js';

/** The result of ending a user's unregistered connections. */
export interface Ended {
  /** Number of connections that were ended, on any node. */
  readonly closed: number;
  /** Node of one ended connection; null: none was ended. */
  readonly nodeId: string | null;
  /** A node that has or had one and did not answer; null: all answered. That node ends it when it is back. */
  readonly silent: string | null;
}

/** The result of reviewing a user's unregistered connections. */
export interface Reviewed {
  /** Node of a connection that stays; null: none. */
  readonly appliedOn: string | null;
  /** Node of an ended connection; null: none. */
  readonly endedOn: string | null;
  /** As in Ended. */
  readonly silent: string | null;
}

/** A connection noted in Redis, and its user's admin permissions. */
export interface Noted {
  readonly conn: string;
  readonly lease: string;
  readonly admin: readonly string[];
}

/**
 * Connections that are not in the registry, because they speak another protocol. A user may have several, on several nodes. Each is noted
 * in Redis (`Keys.noted`), so that orders about its user reach it.
 */
export interface UnregisteredConnections {
  /** Number of authenticated ones on this node. */
  readonly size: number;
  /** All on this node. */
  all(): Iterable<Connection>;
  /** All of a user, on all nodes. @throws when Redis does not answer. */
  noted(userId: string): Promise<readonly Noted[]>;
  /**
   * Ends all of a user, on all nodes.
   *
   * @param code of this protocol.
   * @param deadline monotonic ms; the answer comes by then.
   * @throws when Redis does not answer.
   */
  end(userId: string, code: number, reason: string, deadline: number): Promise<Ended>;
  /** Applies the present state of the user's tokens in Redis, on all nodes. Parameters and errors as for `end`. */
  review(userId: string, deadline: number): Promise<Reviewed>;
  /** Brings the connections of this node in line with Redis before delivery resumes (C12). @throws when Redis does not answer. */
  reconcile(): Promise<void>;
  /** The catalogue changed: decides again what the connections of this node may see. */
  reevaluateAll(progress: Progress): Promise<void>;
}

/** The unregistered connections of all extensions of a node. */
export class Unregistered implements UnregisteredConnections {
  private readonly sources: UnregisteredConnections[] = [];

  add(source: UnregisteredConnections): void {
    this.sources.push(source);
  }

  get size(): number {
    return this.sources.reduce((sum, { size }) => sum + size, 0);
  }

  *all(): Iterable<Connection> {
    for (const source of this.sources) yield* source.all();
  }

  async noted(userId: string): Promise<readonly Noted[]> {
    return (await Promise.all(this.sources.map((source) => source.noted(userId)))).flat();
  }

  async end(userId: string, code: number, reason: string, deadline: number): Promise<Ended> {
    const ended = await Promise.all(this.sources.map((source) => source.end(userId, code, reason, deadline)));
    return {
      closed: ended.reduce((sum, { closed }) => sum + closed, 0),
      nodeId: first(ended.map(({ nodeId }) => nodeId)),
      silent: first(ended.map(({ silent }) => silent)),
    };
  }

  async review(userId: string, deadline: number): Promise<Reviewed> {
    const reviewed = await Promise.all(this.sources.map((source) => source.review(userId, deadline)));
    return {
      appliedOn: first(reviewed.map(({ appliedOn }) => appliedOn)),
      endedOn: first(reviewed.map(({ endedOn }) => endedOn)),
      silent: first(reviewed.map(({ silent }) => silent)),
    };
  }

  async reconcile(): Promise<void> {
    for (const source of this.sources) await source.reconcile();
  }

  async reevaluateAll(progress: Progress): Promise<void> {
    for (const source of this.sources) await source.reevaluateAll(progress);
  }
}

function first(nodes: readonly (string | null)[]): string | null {
  return nodes.find((node) => node !== null) ?? null;
}
