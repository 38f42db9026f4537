import type { PermissionChangeResult } from '@unified-ws/protocol';
import type { Clock } from '../clock.js';
import type { ConnectionTable } from '../edge/table.js';
import { AppError } from '../errors.js';
import type { Report } from '../observability/logger.js';
import type { Judge } from '../registry/judge.js';
import { nodeOfLease } from '../registry/lease.js';
import type { Reconciler } from '../registry/reconcile.js';
import type { AmendmentOrder } from '../registry/store.js';
import type { Owner } from '../registry/types.js';
import type { Actor, Audit } from './audit.js';
import { askOwner, type OwnerParts, pause, REREAD_MS } from './owner.js';

export interface PermissionChange {
  readonly userId: string;
  /** In the place of what the user's tokens say; neither: a newer token is asked for. */
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
}

export interface PermissionOutcome {
  readonly user_id: string;
  readonly result: PermissionChangeResult;
  readonly node_id: string | null;
  /** Tokens issued from then on are taken as they are. */
  readonly as_of: string;
  /** When a connection ends that brought no newer token; null when none was asked for. */
  readonly renew_by: string | null;
  readonly took_ms: number;
}

export interface PermissionChangesParts extends OwnerParts {
  readonly store: OwnerParts['store'] & {
    amend(userId: string, order: AmendmentOrder): Promise<Owner | null>;
  };
  readonly judge: Judge;
  readonly table: ConnectionTable;
  readonly reconciler: Pick<Reconciler, 'review'>;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly report: Report;
  /** COMMAND_TIMEOUT_MS: the answer comes within it. */
  readonly timeoutMs: number;
  /** TOKEN_GRACE_MS. */
  readonly graceMs: number;
}

const REVIEW = 'review';

/**
 * Tells the cluster that a user's roles or permissions are no longer what the tokens say (G8). Redis holds the order for
 * those who connect; the node of the live connection reads it there at once, so that two orders can't overtake each other.
 */
export class PermissionChanges {
  private readonly parts: PermissionChangesParts;

  constructor(parts: PermissionChangesParts) {
    this.parts = parts;
    parts.commands.handle(REVIEW, (conn) => this.review(String(conn)));
  }

  /** @throws AppError UNAVAILABLE when Redis does not answer: it is not known then whether the order was stored. */
  async change(change: PermissionChange, actor: Actor): Promise<PermissionOutcome> {
    const { clock, audit, report, timeoutMs, graceMs } = this.parts;
    const { userId, roles, permissions } = change;
    const startedAt = clock.mono();
    const deadline = startedAt + timeoutMs;
    const now = clock.now();
    // Tokens tell their time in whole seconds. As of the next one: what was issued before this order is amended for sure, also
    // within this second, and nothing issued from then on.
    const asOf = Math.floor(now / 1000) * 1000 + 1000;
    const renewBy = roles === undefined && permissions === undefined ? asOf + graceMs : undefined;
    const order: AmendmentOrder = {
      asOf,
      ...(roles === undefined ? {} : { roles }),
      ...(permissions === undefined ? {} : { permissions }),
      ...(renewBy === undefined ? {} : { renewBy }),
    };
    let found: Pick<PermissionOutcome, 'result' | 'node_id'>;
    try {
      found = await this.tell(userId, await this.parts.store.amend(userId, order), deadline);
    } catch (error) {
      report(error, 'operations.permissions');
      throw new AppError('UNAVAILABLE', 'The registry does not answer; it is not known what happened.', {
        cause: error,
      });
    }
    audit.write(actor, {
      action: 'permissions_changed',
      target: userId,
      reason: JSON.stringify({ roles, permissions }),
      result: found.result,
    });
    // Whoever fetches a token after this answer gets one of the next second, which counts as new.
    await pause(Math.max(0, Math.min(asOf - clock.now(), deadline - clock.mono())));
    return {
      user_id: userId,
      ...found,
      as_of: new Date(asOf).toISOString(),
      renew_by: renewBy === undefined ? null : new Date(renewBy).toISOString(),
      took_ms: Math.round(clock.mono() - startedAt),
    };
  }

  private async tell(
    userId: string,
    first: Owner | null,
    deadline: number,
  ): Promise<Pick<PermissionOutcome, 'result' | 'node_id'>> {
    const { store, judge, clock } = this.parts;
    let owner = first;
    // An entry of a dead lease reads as absent (C11); should its node wake, it reads the order when it reconciles.
    while (owner !== null && !judge.isDead(owner.lease)) {
      const nodeId = nodeOfLease(owner.lease);
      const left = deadline - clock.mono();
      const command = { name: REVIEW, data: owner.conn };
      const reply = left > 0 ? await askOwner(this.parts, userId, owner, command, left) : undefined;
      if (reply === 'applied') return { result: 'applied', node_id: nodeId };
      if (reply === undefined) return { result: 'node_unreachable', node_id: nodeId };
      // C14: it moved, and is followed; or its release is under way.
      await pause(REREAD_MS);
      owner = await store.owner(userId);
    }
    return { result: 'not_connected', node_id: null };
  }

  /** On the owner's node. */
  private async review(conn: string): Promise<'applied' | 'gone'> {
    const connection = this.parts.table.get(conn);
    if (!connection) return 'gone';
    await this.parts.reconciler.review(connection);
    return connection.isOpen() ? 'applied' : 'gone';
  }
}
