import { setTimeout as pause } from 'node:timers/promises';
import type { LiftOutcome, RevokeOutcome, RevokeResult } from '@unified-ws/protocol';
import { AppError } from '../../util/appError.js';
import type { Actor } from '../audit/audit.js';
import type { NodeParts } from '../nodeParts.js';
import type { Ranks } from './ranks.js';
import type { Reviews } from './reviews.js';

export interface RevokeRequest {
  readonly userId: string;
  /** Tokens issued before this are void, wall-clock ms. */
  readonly before?: number;
  /** Tokens of this session (`sid`) are void. If neither is given: all tokens issued until now. */
  readonly session?: string;
  /** For the audit record. */
  readonly reason?: string;
}

/**
 * Voids tokens of a user, and lifts bans. Redis holds the order for later connections and calls, across restarts (C7). The
 * node of the live connection is asked to check, and closes with 4102 if the token is void. A node that does not answer checks when
 * it wakes, before it delivers (C12). No tombstone is needed: it would also end a connection whose token is valid.
 */
export class Revocations {
  constructor(
    private readonly parts: Pick<NodeParts, 'store' | 'audit' | 'clock' | 'report' | 'settings'> & {
      readonly reviews: Reviews;
      readonly ranks: Ranks;
    },
  ) {}

  /**
   * @throws AppError UNAVAILABLE when Redis does not answer: it is then unknown whether the tokens are void. PERMISSION_DENIED when the
   *   user outranks the actor.
   */
  revoke(request: RevokeRequest, actor: Actor): Promise<RevokeOutcome> {
    const { userId: target, before, session, reason } = request;
    const details = { before: before === undefined ? undefined : new Date(before).toISOString(), session };
    return this.parts.audit.order(actor, { action: 'revoke', target, reason, details }, async () => {
      const outcome = await this.carryOut(request, actor);
      return [outcome, outcome.result];
    });
  }

  private async carryOut({ userId, before, session }: RevokeRequest, actor: Actor): Promise<RevokeOutcome> {
    const { store, reviews, ranks, clock, settings } = this.parts;
    const startedAt = clock.mono();
    const now = clock.now();
    // Tokens carry whole seconds. The order applies up to the next second: every token issued before the order, also within
    // this second, is void, and no token issued after that second is.
    const next = Math.floor(now / 1000) * 1000 + 1000;
    const isForAll = before === undefined && session === undefined;
    const voidBefore = isForAll ? next : before;
    const revocation = {
      reason: '',
      ...(voidBefore === undefined ? {} : { before: voidBefore }),
      ...(session === undefined ? {} : { session }),
    };
    const { result, nodeId, endedOn } = await this.reached('operations.revoke', async () => {
      const owner = await ranks.over(userId, actor, (seen) => store.revoke(userId, revocation, now, seen));
      return reviews.of(userId, owner, startedAt + settings.commandTimeoutMs);
    });
    const tookMs = Math.round(clock.mono() - startedAt);
    const outcome: RevokeResult = endedOn !== null ? 'closed' : result === 'applied' ? 'unaffected' : result;
    const before_ = voidBefore === undefined ? null : new Date(voidBefore).toISOString();
    // So a client that fetches a token after this answer gets one of the next second, which is valid.
    if (isForAll) await pause(Math.max(0, next - clock.now()));
    return {
      user_id: userId,
      result: outcome,
      node_id: endedOn ?? nodeId,
      before: before_,
      session: session ?? null,
      took_ms: tookMs,
    };
  }

  /** @throws AppError UNAVAILABLE when Redis does not answer. */
  lift(userId: string, reason: string | undefined, actor: Actor): Promise<LiftOutcome> {
    const { store, audit } = this.parts;
    return audit.order(actor, { action: 'unban', target: userId, reason }, async () => {
      const lifted = await this.reached('operations.unban', () => store.unban(userId));
      const result = lifted ? 'lifted' : 'not_banned';
      return [{ user_id: userId, result }, result];
    });
  }

  private async reached<T>(where: string, step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      if (error instanceof AppError) throw error;
      this.parts.report(error, where);
      throw new AppError('UNAVAILABLE', 'The registry does not answer; the order may have taken effect.', {
        cause: error,
      });
    }
  }
}
