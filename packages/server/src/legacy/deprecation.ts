import { setTimeout as pause } from 'node:timers/promises';
import { WS_PATH } from '@unified-ws/protocol';
import { AppError } from '../errors.js';
import type { EventCatalogue } from '../events/catalogue.js';
import type { Report } from '../observability/logger.js';
import type { RolloutDecision } from '../operations/rollout.js';
import { sameRollout } from '../operations/rolloutDecision.js';
import { STAY_AWAY } from './closeCodes.js';
import type { LegacyConnection } from './connection.js';
import type { LegacyCounts, NoticeOccasion } from './counts.js';
import type { LegacyErrors } from './errors.js';
import { isClosed, type RolloutSource } from './rollout.js';
import type { LegacyTable } from './table.js';

const DOCUMENTATION = 'docs/MIGRATION.md';
/** Connections looked at in one turn of the event loop: about a millisecond. */
const LOOKED_AT = 500;
/**
 * Told, or closed, before a rest of so many ms. Whoever is told, or finds his endpoint closed, comes back at another, and a handshake
 * costs a node about 0.15 ms: at most 200 a second of them.
 */
const AT_ONCE = 20;
const REST_MS = 100;

export interface DeprecationsParts {
  readonly rollouts: RolloutSource;
  readonly table: LegacyTable;
  readonly errors: LegacyErrors;
  readonly counts: LegacyCounts;
  readonly catalogue: () => EventCatalogue;
  readonly report: Report;
}

/** Tells users of the legacy endpoints what to use instead, and closes the endpoints to those for whom the roll-out demands it. */
export class Deprecations {
  private readonly parts: DeprecationsParts;
  private readonly ending = new AbortController();
  private round: Promise<void> | null = null;
  private changes = 0;

  constructor(parts: DeprecationsParts) {
    this.parts = parts;
    parts.rollouts.onChange(() => this.changed());
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

  /** The endpoint is closed to this user: told where to go, and ended. */
  refuse(connection: LegacyConnection, occasion: 'refused' | 'closed'): void {
    this.parts.counts.notice(occasion);
    const message = `This endpoint is closed to this user: connect to ${WS_PATH} instead.`;
    const details = { replacement: WS_PATH, documentation: DOCUMENTATION };
    const error = new AppError('PERMISSION_DENIED', message, { details, recoverable: false });
    this.parts.errors.refuse(connection, error, STAY_AWAY, `use ${WS_PATH}`);
  }

  async stop(): Promise<void> {
    this.ending.abort();
    await this.round;
  }

  private changed(): void {
    this.changes += 1;
    this.round ??= this.walk()
      .catch((error: unknown) => {
        if (!this.ending.signal.aborted) this.parts.report(error, 'legacy.deprecation');
      })
      .finally(() => {
        this.round = null;
      });
  }

  /** Until all know the newest: a change that comes in between is told from the start. */
  private async walk(): Promise<void> {
    for (let known = -1; known !== this.changes; ) {
      known = this.changes;
      await this.tellAll(known);
    }
  }

  private async tellAll(changes: number): Promise<void> {
    let looked = 0;
    let told = 0;
    for (const connection of [...this.parts.table.all()]) {
      looked += 1;
      if (this.judge(connection)) told += 1;
      if (told === AT_ONCE) {
        told = 0;
        await this.rest(REST_MS);
      } else if (looked % LOOKED_AT === 0) {
        await this.rest(0);
      }
      if (changes !== this.changes) return;
    }
  }

  private rest(ms: number): Promise<void> {
    return pause(ms, undefined, { signal: this.ending.signal });
  }

  /** Whether it had to be told. One that is not established yet is judged before hello. */
  private judge(connection: LegacyConnection): boolean {
    const { rollout: told, established } = connection;
    if (told === null || !established || !connection.isOpen()) return false;
    const decision = this.decide(connection.userId);
    if (isClosed(decision)) {
      this.refuse(connection, 'closed');
      return true;
    }
    if (sameRollout(told, decision)) return false;
    this.notify(connection, decision, 'change');
    return true;
  }
}
