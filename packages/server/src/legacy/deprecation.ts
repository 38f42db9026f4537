import { WS_PATH } from '@unified-ws/protocol';
import { AppError } from '../errors.js';
import type { EventCatalogue } from '../events/catalogue.js';
import type { RolloutDecision } from '../operations/rollout.js';
import { STAY_AWAY } from './closeCodes.js';
import type { LegacyConnection } from './connection.js';
import type { LegacyCounts, NoticeOccasion } from './counts.js';
import type { LegacyErrors } from './errors.js';
import { isClosed, type RolloutSource } from './rollout.js';
import type { LegacyTable } from './table.js';

const DOCUMENTATION = 'docs/MIGRATION.md';
/** When the endpoints are closed to users who are connected, so many end in each step of so many milliseconds: all come back at once. */
const CLOSED_AT_ONCE = 20;
const STEP_MS = 100;

export interface DeprecationsParts {
  readonly rollouts: RolloutSource;
  readonly table: LegacyTable;
  readonly errors: LegacyErrors;
  readonly counts: LegacyCounts;
  readonly catalogue: () => EventCatalogue;
}

/** Tells users of the legacy endpoints what to use instead, and closes the endpoints to those for whom the roll-out demands it. */
export class Deprecations {
  private readonly parts: DeprecationsParts;
  /** The endpoint was closed to them. */
  private readonly closing = new Set<LegacyConnection>();
  private timer: NodeJS.Timeout | null = null;

  constructor(parts: DeprecationsParts) {
    this.parts = parts;
    parts.rollouts.onChange(() => this.changed());
  }

  decide(userId: string): RolloutDecision {
    return this.parts.rollouts.decide(userId);
  }

  notify(connection: LegacyConnection, decision: RolloutDecision, occasion: NoticeOccasion): void {
    const { group } = connection;
    connection.told = decision;
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

  /** That the endpoint is closed to this user. */
  closed(): AppError {
    const message = `This endpoint is closed to this user: connect to ${WS_PATH} instead.`;
    const details = { replacement: WS_PATH, documentation: DOCUMENTATION };
    return new AppError('PERMISSION_DENIED', message, { details, recoverable: false });
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    this.closing.clear();
  }

  /** Deciding is a look at memory: all are gone through in one turn, and those alone are told for whom something changed. */
  private changed(): void {
    for (const connection of [...this.parts.table.all()]) {
      if (!connection.established) continue;
      const decision = this.decide(connection.userId);
      const { told } = connection;
      if (isClosed(decision)) this.closing.add(connection);
      if (told?.endpoint === decision.endpoint && told.enforced === decision.enforced) continue;
      this.notify(connection, decision, 'change');
    }
    if (this.closing.size > 0) this.timer ??= setInterval(() => this.close(), STEP_MS);
  }

  private close(): void {
    let left = CLOSED_AT_ONCE;
    for (const connection of this.closing) {
      this.closing.delete(connection);
      // The roll-out may have been taken back meanwhile.
      if (!connection.isOpen() || !isClosed(this.decide(connection.userId))) continue;
      this.parts.counts.notice('closed');
      this.parts.errors.refuse(connection, this.closed(), STAY_AWAY, `use ${WS_PATH}`);
      left -= 1;
      if (left === 0) return;
    }
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }
}
