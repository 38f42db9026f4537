import { setTimeout as pause } from 'node:timers/promises';
import { nodeOfLease } from '../../registry/nodes/lease.js';
import type { Owner } from '../../registry/store/registryTypes.js';
import type { NodeParts } from '../nodeParts.js';
import { askOwner, REREAD_MS } from './askOwner.js';

export interface Review {
  /** The result for the user's connections. `applied`: they agree with the registry, and one is open. */
  readonly result: 'applied' | 'not_connected' | 'node_unreachable';
  /** The node of that connection. */
  readonly nodeId: string | null;
  /** The node of a connection that this review ended; null: none was ended. */
  readonly endedOn: string | null;
}

const REVIEW = 'review';
type Answer = 'applied' | 'ended' | 'gone';

/**
 * Makes the node of a user's connection read at once what the registry holds about the user's tokens (G8). Orders go through
 * Redis only, so that two orders cannot overtake each other.
 */
export class Reviews {
  constructor(
    private readonly parts: Pick<
      NodeParts,
      'store' | 'commands' | 'failureDetector' | 'table' | 'unregistered' | 'reconciler' | 'clock'
    >,
  ) {
    parts.commands.handle(REVIEW, (conn) => this.review(String(conn)));
  }

  /**
   * @param first the owner at the moment of the order.
   * @param deadline monotonic ms; the answer comes by then.
   */
  async of(userId: string, first: Owner | null, deadline: number): Promise<Review> {
    const [current, others] = await Promise.all([
      this.ofCurrent(userId, first, deadline),
      this.parts.unregistered.review(userId, deadline),
    ]);
    // A node did not answer, so a connection with such a token may still be served.
    if (others.silent !== null) return { result: 'node_unreachable', nodeId: others.silent, endedOn: null };
    const endedOn = current.endedOn ?? others.endedOn;
    const onlyOthers = current.result === 'not_connected' && others.appliedOn !== null;
    return onlyOthers ? { result: 'applied', nodeId: others.appliedOn, endedOn } : { ...current, endedOn };
  }

  /** Of the connection that the registry names. */
  private async ofCurrent(userId: string, first: Owner | null, deadline: number): Promise<Review> {
    const { store, failureDetector, clock } = this.parts;
    let owner = first;
    let endedOn: string | null = null;
    let ended = '';
    // An entry of a dead lease counts as absent (C11); if its node wakes, it reads the order when it reconciles.
    while (owner !== null && !failureDetector.isDead(owner.lease)) {
      const nodeId = nodeOfLease(owner.lease);
      const left = deadline - clock.mono();
      const command = { name: REVIEW, data: owner.conn };
      const reply = left > 0 ? await askOwner(this.parts, userId, owner, command, left) : undefined;
      if (reply === 'applied') return { result: 'applied', nodeId, endedOn };
      if (reply === undefined) return { result: 'node_unreachable', nodeId, endedOn };
      if (reply === 'ended') {
        endedOn = nodeId;
        ended = owner.conn;
      } else {
        // C14: the connection moved and is followed, or its release is under way.
        await pause(REREAD_MS);
      }
      owner = await store.owner(userId);
      if (owner?.conn === ended) break;
    }
    return { result: 'not_connected', nodeId: null, endedOn };
  }

  /** On the owner's node. */
  private async review(conn: string): Promise<Answer> {
    const connection = this.parts.table.get(conn);
    if (!connection) return 'gone';
    await this.parts.reconciler.review(connection);
    return connection.isOpen() ? 'applied' : 'ended';
  }
}
