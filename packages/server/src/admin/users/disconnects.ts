import { setTimeout as pause } from 'node:timers/promises';
import { CLOSE, type CloseCode, closeReason, fitCloseReason, type ServerData } from '@unified-ws/protocol';
import { nodeOfLease } from '../../registry/nodes/lease.js';
import type { Owner } from '../../registry/store/registryTypes.js';
import { AppError } from '../../util/appError.js';
import type { Actor } from '../audit/audit.js';
import type { NodeParts } from '../nodeParts.js';
import { askOwner, REREAD_MS } from './askOwner.js';
import type { Ranks } from './ranks.js';

export type DisconnectOutcome = ServerData<'user_disconnected'>;

export interface DisconnectRequest {
  readonly userId: string;
  readonly reason?: string;
  /** Refuse the user for this long, seconds. */
  readonly banSeconds?: number;
}

/** Time reserved for kick.lua when the owner does not answer, milliseconds. */
const KICK_RESERVE_MS = 400;
const KICK = 'kick';

type Found = Pick<DisconnectOutcome, 'result' | 'node_id' | 'legacy_closed'>;

interface KickData {
  readonly conn: string;
  readonly code: number;
  readonly reason: string;
}

/** Ends a user's connection on any node, and returns what happened (G4, C14, C15). */
export class Disconnects {
  constructor(
    private readonly parts: Pick<
      NodeParts,
      'store' | 'commands' | 'failureDetector' | 'table' | 'unregistered' | 'audit' | 'clock' | 'report' | 'settings'
    > & { readonly ranks: Ranks },
  ) {
    parts.commands.handle(KICK, (data) => this.kick(data as KickData));
  }

  /**
   * @throws AppError UNAVAILABLE when Redis does not answer: the result is then unknown. PERMISSION_DENIED when the user outranks the actor.
   */
  disconnect(request: DisconnectRequest, actor: Actor): Promise<DisconnectOutcome> {
    const { userId: target, reason, banSeconds } = request;
    const order =
      banSeconds === undefined
        ? { action: 'disconnect', target, reason }
        : { action: 'ban', target, reason, details: { ban_seconds: banSeconds } };
    return this.parts.audit.order(actor, order, async () => {
      const outcome = await this.end(request, actor);
      return [outcome, outcome.result];
    });
  }

  private async end(request: DisconnectRequest, actor: Actor): Promise<DisconnectOutcome> {
    const { clock, report } = this.parts;
    const startedAt = clock.mono();
    const code = request.banSeconds === undefined ? CLOSE.DISCONNECTED_BY_ADMIN : CLOSE.BANNED;
    const reason = request.reason ?? closeReason(code);
    let found: Found;
    try {
      found = await this.find(request, actor, code, reason, startedAt + this.parts.settings.commandTimeoutMs);
    } catch (error) {
      if (error instanceof AppError) throw error;
      report(error, 'operations.disconnect');
      throw new AppError('UNAVAILABLE', 'The registry does not answer; the order may have taken effect.', {
        cause: error,
      });
    }
    const tookMs = Math.round(clock.mono() - startedAt);
    return { user_id: request.userId, ...found, reason: request.reason ?? null, took_ms: tookMs };
  }

  private async find(
    { userId, banSeconds }: DisconnectRequest,
    actor: Actor,
    code: CloseCode,
    reason: string,
    deadline: number,
  ): Promise<Found> {
    const { store, clock, ranks } = this.parts;
    let owner: Owner | null;
    if (banSeconds === undefined) {
      await ranks.require(userId, actor);
      owner = await this.owner(userId, actor);
    } else {
      const now = clock.now();
      const ban = { banUntil: now + banSeconds * 1000, reason };
      owner = await ranks.over(userId, actor, (seen) => store.revoke(userId, ban, now, seen));
    }
    // After a ban every newcomer is refused: no further connection needs a check.
    const next = banSeconds === undefined ? () => this.owner(userId, actor) : () => store.owner(userId);
    const [found, others] = await Promise.all([
      this.follow(userId, owner, next, code, reason, deadline),
      this.parts.unregistered.end(userId, code, reason, deadline),
    ]);
    const othersClosed = others.closed > 0 ? { legacy_closed: others.closed } : {};
    if (others.silent !== null && found.result !== 'node_unreachable') {
      return { result: 'node_unreachable', node_id: others.silent, ...othersClosed };
    }
    if (others.closed > 0 && found.result === 'not_connected') {
      return { result: 'closed', node_id: others.nodeId, ...othersClosed };
    }
    return { ...found, ...othersClosed };
  }

  /** @throws AppError PERMISSION_DENIED when the actor may not end this connection. */
  private async owner(userId: string, actor: Actor): Promise<Owner | null> {
    const owner = await this.parts.store.owner(userId);
    this.parts.ranks.requireOver(owner, actor);
    return owner;
  }

  /** Ends the connection that the registry names, and follows it when it moves. @param next the current owner. */
  private async follow(
    userId: string,
    first: Owner | null,
    next: () => Promise<Owner | null>,
    code: CloseCode,
    reason: string,
    deadline: number,
  ): Promise<Found> {
    const { store, failureDetector, clock } = this.parts;
    let owner = first;
    let closedOn: string | null = null;
    for (;;) {
      if (owner === null) return { result: closedOn === null ? 'not_connected' : 'closed', node_id: closedOn };
      if (failureDetector.isDead(owner.lease)) {
        // C11: the connection counts as absent. The tombstone is for a node that wakes and would re-claim it (C15).
        owner = await store.kick(userId, owner, code, reason);
        if (owner?.conn === '') owner = null;
        continue;
      }
      const nodeId = nodeOfLease(owner.lease);
      const left = deadline - KICK_RESERVE_MS - clock.mono();
      const data: KickData = { conn: owner.conn, code, reason };
      const reply = left > 0 ? await askOwner(this.parts, userId, owner, { name: KICK, data }, left) : undefined;
      if (reply === undefined) {
        // C15: a tombstone outranks the connection; its node closes it with the stored code when it wakes.
        const moved = await store.kick(userId, owner, code, reason);
        if (moved === null) return { result: 'node_unreachable', node_id: nodeId };
        if (clock.mono() >= deadline) return { result: 'node_unreachable', node_id: nodeOfLease(moved.lease) };
        owner = moved.conn === '' ? null : moved;
        continue;
      }
      const ended = owner.conn;
      if (reply === 'closed') closedOn = nodeId;
      // C14: "not here" means that the release is under way, or that the user moved meanwhile; the user is followed until the deadline.
      // The same after "closed": the closed connection may already have been replaced.
      else await pause(REREAD_MS);
      owner = await next();
      if (closedOn !== null && owner?.conn === ended) return { result: 'closed', node_id: closedOn };
    }
  }

  /** On the owner's node. A connection that is still claiming is closed too, once its claim is answered (C1). */
  private kick({ conn, code, reason }: KickData): 'closed' | 'gone' {
    const connection = this.parts.table.get(conn);
    if (!connection) return 'gone';
    connection.end(code as CloseCode, fitCloseReason(reason));
    return 'closed';
  }
}
