import type { Connection } from '../../connections/lifecycle/connection.js';
import type { ConnectionTable } from '../../connections/lifecycle/connectionTable.js';
import type { Core } from '../../core.js';
import { type RolloutDecision, sameRollout } from './rolloutDecision.js';
import { RolloutRound } from './rolloutRound.js';
import type { Rollouts } from './rollouts.js';

/**
 * Number of notices before a pause of that many ms; 5,000 a second. Each notified client reconnects to another endpoint, and a handshake
 * costs the node about 0.15 ms. A full node notifies its 50,000 clients within 10 s.
 */
const TOLD = 250;
const PAUSE_MS = 50;

interface RolloutNoticesParts extends Pick<Core, 'report'> {
  readonly rollouts: Rollouts;
  readonly table: Pick<ConnectionTable, 'all'>;
}

/**
 * Tells open connections the assignment of their users when it changes, as long as there is a choice (LEGACY_ENDPOINTS). A roll-back
 * must also reach clients that have already moved.
 */
export class RolloutNotices {
  /** Messages sent. */
  sent = 0;
  private readonly parts: RolloutNoticesParts;
  /** The assignment that the client of each established connection knows. */
  private readonly known = new WeakMap<Connection, RolloutDecision>();
  private readonly round: RolloutRound<Connection>;

  constructor(parts: RolloutNoticesParts) {
    this.parts = parts;
    this.round = new RolloutRound({
      all: () => parts.table.all(),
      tell: (connection) => this.tell(connection),
      atOnce: TOLD,
      pauseMs: PAUSE_MS,
      report: parts.report,
      where: 'operations.rollout',
    });
    if (parts.rollouts.legacyEndpoints) parts.rollouts.onChange(() => this.round.changed());
  }

  /**
   * Called after connection_established. A user who is assigned to the legacy endpoints is told so: the client may have asked before a
   * change, or missed the notice of a roll-back. Sends nothing before a roll-out was first set.
   */
  established(connection: Connection): void {
    const { rollouts } = this.parts;
    if (!rollouts.legacyEndpoints) return;
    const decision = rollouts.decide(connection.userId);
    this.known.set(connection, decision);
    if (decision.endpoint === 'legacy' && rollouts.state.version > 0) this.send(connection, decision);
  }

  stop(): Promise<void> {
    return this.round.stop();
  }

  /** @returns whether a notice was sent. A connection that is not established yet is notified after connection_established. */
  private tell(connection: Connection): boolean {
    const known = this.known.get(connection);
    if (known === undefined || !connection.isOpen()) return false;
    const decision = this.parts.rollouts.decide(connection.userId);
    this.known.set(connection, decision);
    if (sameRollout(known, decision)) return false;
    this.send(connection, decision);
    return true;
  }

  private send(connection: Connection, decision: RolloutDecision): void {
    connection.send('rollout_changed', decision);
    this.sent += 1;
  }
}
