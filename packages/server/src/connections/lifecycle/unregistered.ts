import type { Progress } from './authority.js';
import type { Connection } from './connection.js';

/** What became of a user's unregistered connections when they were to end. */
export interface Ended {
  /** How many were ended, on any node. */
  readonly closed: number;
  /** The node of one of them; null: none was ended. */
  readonly nodeId: string | null;
  /** A node that has, or had, one and did not answer; null: all did. It ends it when it is back. */
  readonly silent: string | null;
}

/** What became of a user's unregistered connections when they were reviewed. */
export interface Reviewed {
  /** The node of one that stays; null: none. */
  readonly appliedOn: string | null;
  /** The node of one that was ended; null: none. */
  readonly endedOn: string | null;
  /** As in Ended. */
  readonly silent: string | null;
}

/** One that is noted in Redis, and what makes its user an admin. */
export interface Noted {
  readonly conn: string;
  readonly lease: string;
  readonly admin: readonly string[];
}

/**
 * Connections that the registry does not hold: those of another protocol. A user may have several at a time, on several nodes. Each is
 * noted in Redis (`Keys.noted`), so that orders about its user reach it.
 */
export interface UnregisteredConnections {
  /** How many are authenticated on this node. */
  readonly size: number;
  /** Those of this node. */
  all(): Iterable<Connection>;
  /** Those of a user on all nodes. @throws when Redis does not answer. */
  noted(userId: string): Promise<readonly Noted[]>;
  /**
   * Ends those of a user on all nodes.
   *
   * @param code of this protocol.
   * @param deadline monotonic ms; the answer comes by then.
   * @throws when Redis does not answer.
   */
  end(userId: string, code: number, reason: string, deadline: number): Promise<Ended>;
  /** Reads at once what Redis holds of the user's tokens, on all nodes. As `end`. */
  review(userId: string, deadline: number): Promise<Reviewed>;
  /** Brings those of this node in line with Redis before delivery goes on (C12). @throws when Redis does not answer. */
  reconcile(): Promise<void>;
  /** The catalogue changed: decides for those of this node what they may see. */
  reevaluateAll(progress: Progress): Promise<void>;
}

/** The unregistered connections of all parts of a node that have some. */
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
