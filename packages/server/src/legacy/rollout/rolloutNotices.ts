import type { Connection } from '../../connections/lifecycle/connection.js';
import type { ConnectionTable } from '../../connections/lifecycle/connectionTable.js';
import type { Report } from '../../observability/log/logger.js';
import { type RolloutDecision, sameRollout } from './rolloutDecision.js';
import { RolloutRound } from './rolloutRound.js';
import type { Rollouts } from './rollouts.js';

/**
 * Connections told before a pause of so many ms, 5,000 a second: whoever is told comes back at another endpoint, and a handshake
 * costs the node about 0.15 ms. A full node has told all of its 50,000 within 10 s.
 */
const TOLD = 250;
const PAUSE_MS = 50;

export interface RolloutNoticesParts {
  readonly rollouts: Rollouts;
  readonly table: Pick<ConnectionTable, 'all'>;
  readonly report: Report;
}

/**
 * Tells live connections what their users are assigned to, when that changes and while there is something to choose from
 * (LEGACY_ENDPOINTS): a roll-back has to reach clients that have moved already.
 */
export class RolloutNotices {
  /** Messages sent. */
  sent = 0;
  private readonly parts: RolloutNoticesParts;
  /** What the client of an established connection knows that its user is assigned to. */
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
   * After connection_established. Whoever is assigned to the legacy endpoints is told so: he may have asked before a change, or been away while
   * the others were told of a roll-back. Not as long as nobody has ever set a roll-out.
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

  /** Whether it had to be told. One that is not established yet comes to it after connection_established. */
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
