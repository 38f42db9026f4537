import { revocationError } from '../../auth/revocationError.js';
import type { Report } from '../../observability/log/logger.js';
import type { RegistryStore } from '../../registry/store/registryStore.js';
import { REPLACED, REPLACED_REASON } from './legacyCloseCodes.js';
import type { LegacyConnection } from './legacyConnection.js';
import type { LegacyErrors } from './legacyErrors.js';
import type { LegacyRegistry } from './legacyRegistry.js';
import type { LegacyTable } from './legacyTable.js';

/** Looked at together. */
const CHUNK = 200;
const STEP_MS = 1000;

export interface LegacyReviewParts {
  readonly table: LegacyTable;
  readonly legacyRegistry: LegacyRegistry;
  readonly store: Pick<RegistryStore, 'entry'>;
  readonly errors: LegacyErrors;
  readonly lease: () => string;
  /** Whether the user's shard of Redis does not answer. */
  readonly isAway: (userId: string) => boolean;
  readonly isServing: () => boolean;
  readonly report: Report;
  /** SWEEP_INTERVAL_MS. */
  readonly intervalMs: number;
}

/**
 * Whether the legacy connections of this node may stay: what Redis holds of their users' tokens, and whether a newer one took their place.
 * Asked for one when an admin ordered something, for all before delivery goes on after an interruption (C12), and in turn.
 */
export class LegacyReview {
  private readonly parts: LegacyReviewParts;
  private timer: NodeJS.Timeout | null = null;
  private round: LegacyConnection[] = [];
  private slice = 0;
  private running = false;

  constructor(parts: LegacyReviewParts) {
    this.parts = parts;
  }

  start(): void {
    const step = Math.min(STEP_MS, this.parts.intervalMs);
    this.timer = setInterval(() => void this.step(step), step);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** When it resolves, the connection is current, suspended or closed. @throws when Redis does not answer: it is as before. */
  async review(connection: LegacyConnection): Promise<void> {
    const { legacyRegistry, store, errors, lease, isAway } = this.parts;
    if (isAway(connection.userId)) {
      // Until its shard answers, nobody can tell what its user may see. The node comes here again then.
      connection.suspend();
      return;
    }
    const ended = await legacyRegistry.keep(connection, lease());
    if (!connection.isOpen()) return;
    if (ended !== null) {
      if (ended === 0) connection.endWith(REPLACED, REPLACED_REASON);
      else connection.endWith(ended, 'disconnected by an administrator');
      return;
    }
    const { revokedCode, revokedUntil, amendment } = await store.entry(connection);
    if (!connection.isOpen()) return;
    const error = revocationError(revokedCode, revokedUntil);
    if (error) errors.refuse(connection, error, revokedCode, error.message);
    else {
      connection.amend(amendment);
      connection.regain();
    }
  }

  /** @throws when Redis does not answer; the call may be repeated. */
  async all(): Promise<void> {
    await this.reviewed(this.established());
  }

  /** One that is not has yet to be noted, and would take the one that it is about to replace for its successor. */
  private established(): LegacyConnection[] {
    return [...this.parts.table.all()].filter(({ established }) => established);
  }

  private async reviewed(connections: readonly LegacyConnection[]): Promise<void> {
    for (let at = 0; at < connections.length; at += CHUNK) {
      await Promise.all(connections.slice(at, at + CHUNK).map((one) => this.review(one)));
    }
  }

  private async step(stepMs: number): Promise<void> {
    const { isServing, intervalMs, report } = this.parts;
    if (this.running || !isServing()) return;
    this.running = true;
    try {
      if (this.round.length === 0) {
        this.round = this.established();
        this.slice = Math.max(1, Math.ceil((this.round.length * stepMs) / intervalMs));
      }
      await this.reviewed(this.round.splice(0, this.slice).filter((one) => one.isOpen()));
    } catch (error) {
      report(error, 'legacy.sweep');
    } finally {
      this.running = false;
    }
  }
}
