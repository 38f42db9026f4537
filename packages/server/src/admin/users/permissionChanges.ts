import { setTimeout as pause } from 'node:timers/promises';
import type { PermissionOutcome } from '@unified-ws/protocol';
import type { AmendmentOrder } from '../../registry/store/registryStore.js';
import { AppError } from '../../util/appError.js';
import type { Actor } from '../audit/audit.js';
import type { NodeParts } from '../nodeParts.js';
import type { Ranks } from './ranks.js';
import type { Reviews } from './reviews.js';

export interface PermissionChange {
  readonly userId: string;
  /** Replace those of the user's tokens. If both are left out, the user needs a newer token. */
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
  /** For the audit record. */
  readonly reason?: string;
}

/**
 * Orders that a user's roles or permissions differ from those in the tokens (G8). Redis holds the order for
 * later connections; the node of the live connection reads it there at once, so that two orders cannot overtake each other.
 */
export class PermissionChanges {
  constructor(
    private readonly parts: Pick<NodeParts, 'store' | 'audit' | 'clock' | 'report' | 'settings'> & {
      readonly reviews: Reviews;
      readonly ranks: Ranks;
    },
  ) {}

  /**
   * @throws AppError UNAVAILABLE when Redis does not answer: it is then unknown whether the order was stored. PERMISSION_DENIED when the
   *   order gives more than the actor has, or when the user outranks the actor.
   */
  change(change: PermissionChange, actor: Actor): Promise<PermissionOutcome> {
    const { userId: target, roles, permissions, reason } = change;
    const order = { action: 'permissions_changed', target, reason, details: { roles, permissions } };
    return this.parts.audit.order(actor, order, async () => {
      const outcome = await this.carryOut(change, actor);
      return [outcome, outcome.result];
    });
  }

  private async carryOut({ userId, roles, permissions }: PermissionChange, actor: Actor): Promise<PermissionOutcome> {
    const { store, reviews, ranks, clock, report, settings } = this.parts;
    const startedAt = clock.mono();
    const deadline = startedAt + settings.commandTimeoutMs;
    const now = clock.now();
    // Tokens carry whole seconds. The order applies up to the next second: every token issued before the order, also within
    // this second, is amended, and no token issued after that second is.
    const asOf = Math.floor(now / 1000) * 1000 + 1000;
    const renewBy = roles === undefined && permissions === undefined ? asOf + settings.tokenGraceMs : undefined;
    const grant = {
      ...(roles === undefined ? {} : { roles }),
      ...(permissions === undefined ? {} : { permissions }),
    };
    const order: AmendmentOrder = { asOf, ...grant, ...(renewBy === undefined ? {} : { renewBy }) };
    ranks.requireGrant(grant, actor);
    let found: Pick<PermissionOutcome, 'result' | 'node_id'>;
    try {
      const owner = await ranks.over(userId, actor, (seen) => store.amend(userId, order, seen));
      const { result, nodeId } = await reviews.of(userId, owner, deadline);
      found = { result, node_id: nodeId };
    } catch (error) {
      if (error instanceof AppError) throw error;
      report(error, 'operations.permissions');
      throw new AppError('UNAVAILABLE', 'The registry does not answer; the order may have taken effect.', {
        cause: error,
      });
    }
    // So a client that fetches a token after this answer gets one of the next second, which counts as new.
    await pause(Math.max(0, Math.min(asOf - clock.now(), deadline - clock.mono())));
    return {
      user_id: userId,
      ...found,
      as_of: new Date(asOf).toISOString(),
      renew_by: renewBy === undefined ? null : new Date(renewBy).toISOString(),
      took_ms: Math.round(clock.mono() - startedAt),
    };
  }
}
