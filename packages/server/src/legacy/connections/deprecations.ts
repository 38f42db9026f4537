import { WS_PATH } from '@unified-ws/protocol';
import type { NodeParts } from '../../admin/nodeParts.js';
import { AppError } from '../../util/appError.js';
import { isClosed, type RolloutDecision, sameRollout } from '../rollout/rolloutDecision.js';
import { RolloutRound } from '../rollout/rolloutRound.js';
import { STAY_AWAY } from './legacyCloseCodes.js';
import type { LegacyConnection } from './legacyConnection.js';
import type { NoticeOccasion } from './legacyCounts.js';
import type { LegacyParts } from './legacyParts.js';

const DOCUMENTATION = 'docs/MIGRATION.md';
/**
 * Number of connections that are notified or closed before a pause of that many ms. Each of them reconnects elsewhere, and a handshake
 * costs a node about 0.15 ms. This allows at most 200 per second.
 */
const AT_ONCE = 20;
const PAUSE_MS = 100;

type DeprecationsParts = Pick<LegacyParts, 'rollouts' | 'table' | 'errors' | 'counts'> &
  Pick<NodeParts, 'catalogue' | 'report'>;

/** Tells users of the legacy endpoints what to use instead, and closes the endpoints to users whom the roll-out excludes. */
export class Deprecations {
  private readonly parts: DeprecationsParts;
  private readonly round: RolloutRound<LegacyConnection>;

  constructor(parts: DeprecationsParts) {
    this.parts = parts;
    this.round = new RolloutRound({
      all: () => parts.table.all(),
      tell: (connection) => this.reconsider(connection),
      atOnce: AT_ONCE,
      pauseMs: PAUSE_MS,
      report: parts.report,
      where: 'legacy.deprecation',
    });
    parts.rollouts.onChange(() => this.round.changed());
  }

  decide(userId: string): RolloutDecision {
    return this.parts.rollouts.decide(userId);
  }

  notify(connection: LegacyConnection, decision: RolloutDecision, occasion: NoticeOccasion): void {
    const { group } = connection;
    connection.rollout = decision;
    this.parts.counts.notice(occasion);
    connection.tell('deprecation', {
      message: `This endpoint is deprecated and will be removed: connect to ${WS_PATH} and subscribe to the categories of the group.`,
      replacement: WS_PATH,
      documentation: DOCUMENTATION,
      group,
      categories: this.parts.catalogue().categoriesOf(group),
      assigned: decision.endpoint,
      enforced: decision.enforced,
    });
  }

  /** The endpoint is closed to this user: names the new endpoint and closes the connection. */
  refuse(connection: LegacyConnection, occasion: 'refused' | 'closed'): void {
    this.parts.counts.notice(occasion);
    const message = `This endpoint is closed to this user: connect to ${WS_PATH} instead.`;
    const details = { replacement: WS_PATH, documentation: DOCUMENTATION };
    const error = new AppError('PERMISSION_DENIED', message, { details, recoverable: false });
    this.parts.errors.refuse(connection, error, STAY_AWAY, `use ${WS_PATH}`);
  }

  stop(): Promise<void> {
    return this.round.stop();
  }

  /** @returns whether a notice was sent. A connection that is not established yet is checked before connection_established. */
  private reconsider(connection: LegacyConnection): boolean {
    const { rollout: reported, established } = connection;
    if (reported === null || !established || !connection.isOpen()) return false;
    const decision = this.decide(connection.userId);
    if (isClosed(decision)) {
      this.refuse(connection, 'closed');
      return true;
    }
    if (sameRollout(reported, decision)) return false;
    this.notify(connection, decision, 'change');
    return true;
  }
}
