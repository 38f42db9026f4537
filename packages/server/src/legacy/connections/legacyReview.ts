import type { NodeParts } from '../../admin/nodeParts.js';
import { revocationError } from '../../auth/revocationError.js';
import type { AdminParts } from '../../compose/composeAdmin.js';
import { REPLACED, REPLACED_REASON } from './legacyCloseCodes.js';
import type { LegacyConnection } from './legacyConnection.js';
import type { LegacyParts } from './legacyParts.js';

/** Number of connections that are reviewed together. */
const CHUNK = 200;
const STEP_MS = 1000;

type LegacyReviewParts = Pick<LegacyParts, 'table' | 'legacyRegistry' | 'errors'> &
  Pick<NodeParts, 'settings' | 'store' | 'lease' | 'keys' | 'report'> &
  Pick<AdminParts, 'shards' | 'isServing'>;

/**
 * Decides whether the legacy connections of this node may stay, from what Redis holds about their users' tokens, and about newer
 * connections. Runs for one connection after an admin order, for all before delivery resumes (C12), and periodically.
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
    const step = Math.min(STEP_MS, this.parts.settings.sweepIntervalMs);
    this.timer = setInterval(() => void this.step(step), step);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** When it resolves, the connection is current, suspended or closed. @throws when Redis does not answer; nothing has changed then. */
  async review(connection: LegacyConnection): Promise<void> {
    const { legacyRegistry, store, errors, lease, keys, shards } = this.parts;
    if (shards.isAway(keys.noted(connection.userId))) {
      // While its shard is away, nobody knows what the user may see. The node reviews the connection again when the shard is back.
      connection.suspend();
      return;
    }
    const ended = await legacyRegistry.keep(connection, lease.id);
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

  /** Only established connections: another one has no note yet, and would mistake the connection that it replaces for a newer one. */
  private established(): LegacyConnection[] {
    return [...this.parts.table.all()].filter(({ established }) => established);
  }

  private async reviewed(connections: readonly LegacyConnection[]): Promise<void> {
    for (let at = 0; at < connections.length; at += CHUNK) {
      await Promise.all(connections.slice(at, at + CHUNK).map((one) => this.review(one)));
    }
  }

  private async step(stepMs: number): Promise<void> {
    const { isServing, settings, report } = this.parts;
    if (this.running || !isServing()) return;
    this.running = true;
    try {
      if (this.round.length === 0) {
        this.round = this.established();
        this.slice = Math.max(1, Math.ceil((this.round.length * stepMs) / settings.sweepIntervalMs));
      }
      await this.reviewed(this.round.splice(0, this.slice).filter((one) => one.isOpen()));
    } catch (error) {
      report(error, 'legacy.sweep');
    } finally {
      this.running = false;
    }
  }
}
