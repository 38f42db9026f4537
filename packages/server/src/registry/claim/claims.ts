import { CLOSE, type CloseCode } from '@unified-ws/protocol';
import type { Report } from '../../observability/log/logger.js';
import type { Clock } from '../../util/clock.js';
import type { FailureDetector } from '../nodes/failureDetector.js';
import type { Lease } from '../nodes/lease.js';
import type { Amendment } from '../store/amendment.js';
import type { PriorClaim, RegistryStore, Successor } from '../store/registryStore.js';
import {
  type ClaimAnswer,
  type Claimant,
  type ClaimedMailbox,
  compareFences,
  type Owner,
  type ReplacedOwner,
} from '../store/registryTypes.js';
import { ClaimBatcher } from './claimBatcher.js';
import type { PendingReplacements } from './pendingReplacements.js';
import type { Releases } from './releases.js';

export type ClaimOutcome =
  /** Current. Every replaced connection is confirmed closed or has lost the right to deliver. */
  | {
      readonly status: 'held';
      readonly saved: readonly string[];
      readonly preferences: readonly string[];
      readonly amendment: Amendment;
      readonly hasReplaced: boolean;
      readonly mailbox: ClaimedMailbox | null;
    }
  /** Not current: close with this code. `until`: end of a ban, ms, 0 = permanent. */
  | { readonly status: 'refused'; readonly code: CloseCode; readonly until?: number }
  /** CONNECTION_POLICY=reject, and the registry holds this connection of the user. */
  | { readonly status: 'occupied'; readonly owner: Pick<Owner, 'conn' | 'lease'> }
  /** The socket closed or was evicted meanwhile. Nothing is left to do. */
  | { readonly status: 'gone' }
  /** A later re-claim of the connection, or a newer lease of this node, decides instead of this one. */
  | { readonly status: 'lapsed' }
  /** The entry belongs to the connection, but under another lease than was read: read the entry again. */
  | { readonly status: 'moved' };

export interface ClaimsParts {
  readonly store: RegistryStore;
  readonly lease: Lease;
  readonly failureDetector: FailureDetector;
  readonly pendingReplacements: PendingReplacements;
  readonly releases: Releases;
  readonly clock: Clock;
  readonly clusterTime: Pick<Clock, 'now'>;
  readonly report: Report;
}

/** A first claim on its way. */
interface Waiting {
  readonly who: Claimant;
  readonly resolve: (answer: ClaimAnswer | null) => void;
  readonly reject: (error: unknown) => void;
}

/** A re-claim that was sent and is not settled; the newest one of its connection. */
interface Reclaim {
  readonly lease: string;
}

/**
 * Makes connections current (CONSISTENCY C1-C8). The caller puts the connection into the node's table first (C1), so that an
 * evict that arrives before the claim's answer finds the connection.
 */
export class Claims {
  private readonly parts: ClaimsParts;
  private readonly batcher: ClaimBatcher<Waiting>;
  /** Unsettled re-claims by connection. Such a connection may not deliver, even if the registry names it as current (C4). */
  private readonly reclaims = new Map<string, Reclaim>();
  /** Connections whose replaced owners are confirmed, while Redis has not answered that their list is cleared. */
  private readonly uncleared = new Set<string>();

  constructor(parts: ClaimsParts) {
    this.parts = parts;
    this.batcher = new ClaimBatcher(parts.clock, (batch) => this.sendTogether(batch));
  }

  /**
   * Claims, waits for the replaced owners, settles.
   *
   * @throws when Redis did not answer: the claim may still run, so the entry is released until that is confirmed (C8). The caller
   *   closes with 4207.
   */
  async acquire(who: Claimant): Promise<ClaimOutcome> {
    const answer = await new Promise<ClaimAnswer | null>((resolve, reject) => {
      this.batcher.add({ who, resolve, reject });
    });
    if (answer === null) return { status: 'gone' };
    if (answer.status !== 'ok') return refusal(answer);
    const { lease } = who;
    const outcome = await this.settle(who, answer, () => this.parts.lease.id === lease);
    // A claim that is not established does not outlive its lease.
    const isOver = outcome.status === 'lapsed' || outcome.status === 'moved';
    return isOver ? { status: 'refused', code: CLOSE.LEASE_LOST } : outcome;
  }

  /**
   * Claims again for an established connection: under a new lease, or after Redis lost data (C4). `waiting` calls
   * `onSettled` later; until then the connection delivers nothing. An earlier re-claim of the connection no longer decides anything.
   *
   * @param from the lease in the connection's own entry, as it was read; '' when the entry is another's.
   */
  async reclaim(
    who: Claimant,
    from: string,
    onSettled: (outcome: ClaimOutcome) => void,
  ): Promise<ClaimOutcome | { status: 'waiting' }> {
    if (!who.isOpen()) return { status: 'gone' };
    const { lease, releases, pendingReplacements, report } = this.parts;
    const attempt: Reclaim = { lease: lease.id };
    this.reclaims.set(who.id, attempt);
    const holds = (): boolean => this.reclaims.get(who.id) === attempt && lease.id === attempt.lease;
    pendingReplacements.forget(who.id);
    // Past the window: many are re-claimed at once anyway, and nothing is delivered while they wait.
    const answer = await this.send(who, { fence: who.fence, from }, releases.enlist([who.userId]));
    if (answer === null) return { status: 'gone' };
    if (!holds()) return { status: 'lapsed' };
    if (answer.status !== 'ok') return refusal(answer);
    if (answer.replaced.length === 0) {
      this.reclaims.delete(who.id);
      const { saved, preferences, amendment, mailbox } = answer;
      return { status: 'held', saved, preferences, amendment, hasReplaced: false, mailbox };
    }
    this.settle(who, answer, holds).then(
      (outcome) => {
        if (outcome.status === 'held') this.reclaims.delete(who.id);
        onSettled(outcome);
      },
      (error: unknown) => {
        report(error, 'registry.settle');
        onSettled(holds() ? { status: 'refused', code: CLOSE.UNAVAILABLE } : { status: 'lapsed' });
      },
    );
    return { status: 'waiting' };
  }

  /** Whether a re-claim of the connection was sent and its replaced owners are not settled: the connection may not deliver (C4). */
  isUnsettled(who: Claimant): boolean {
    return this.reclaims.has(who.id);
  }

  /** Whether the connection waits for replaced owners now. */
  isWaiting(who: Claimant): boolean {
    return this.parts.pendingReplacements.isWaiting(who.id);
  }

  /** A wait under the former lease means nothing under the new one: the reconcile that follows claims again (C10). */
  onNewLease(): void {
    for (const conn of this.reclaims.keys()) this.parts.pendingReplacements.forget(conn);
  }

  /** The connection left the table. A claim still under way is released when its answer comes (C1). */
  release(who: Claimant): void {
    this.parts.pendingReplacements.forget(who.id);
    this.reclaims.delete(who.id);
    this.uncleared.delete(who.id);
    if (who.fence !== '') this.parts.releases.release(who.userId, who.id, who.fence);
  }

  private sendTogether(batch: readonly Waiting[]): void {
    // C5: a device that gave up on this socket has a newer attempt under way, and this claim would evict that attempt.
    const open = batch.filter(({ who }) => who.isOpen());
    for (const { who, resolve } of batch) if (!who.isOpen()) resolve(null);
    if (open.length === 0) return;
    const enlisted = this.parts.releases.enlist(open.map(({ who }) => who.userId));
    for (const { who, resolve, reject } of open) this.send(who, null, enlisted).then(resolve, reject);
  }

  /** Null when the connection closed meanwhile. @param again of a re-claim. */
  private async send(who: Claimant, again: PriorClaim | null, enlisted: Promise<void>): Promise<ClaimAnswer | null> {
    const { store, lease, failureDetector, releases, pendingReplacements } = this.parts;
    const under = lease.id;
    pendingReplacements.expect(who.id);
    let answer: ClaimAnswer;
    try {
      // Commands of one connection run in the order they are sent, so the set is a superset without waiting. In Cluster
      // the two go to different servers.
      if (!releases.ordered) {
        await enlisted;
        if (!who.isOpen()) {
          pendingReplacements.forget(who.id);
          return null;
        }
      }
      [answer] = await Promise.all([store.claim(who, under, failureDetector.dead(), again), enlisted]);
    } catch (error) {
      pendingReplacements.forget(who.id);
      // A re-claim is repeated by its caller and keeps the connection. A first claim ends with its socket (C8).
      if (again === null || !who.isOpen()) releases.releaseUnanswered(who.userId, who.id);
      throw error;
    }
    if (answer.status === 'ok') {
      who.fence = answer.fence;
      who.lease = under;
      // Evicted while claiming (C1), or the peer left: no other code path releases the entry.
      if (!who.isOpen()) {
        releases.release(who.userId, who.id, who.fence);
        return null;
      }
    }
    return answer;
  }

  private async settle(
    who: Claimant,
    { replaced, saved, preferences, amendment, mailbox }: Extract<ClaimAnswer, { status: 'ok' }>,
    holds: () => boolean,
  ): Promise<ClaimOutcome> {
    const { store, pendingReplacements, lease, clusterTime } = this.parts;
    if (replaced.length === 0) {
      pendingReplacements.forget(who.id);
    } else {
      let settled = false;
      let confirmed = false;
      const own = await pendingReplacements.wait(who, lease.id, replaced, () => {
        confirmed = true;
        if (settled) this.clear(who);
      });
      if (!who.isOpen()) return { status: 'gone' };
      if (!holds()) return { status: 'lapsed' };
      const successor = await store.settle(who, own, clusterTime.now());
      if (!who.isOpen()) return { status: 'gone' };
      if (!holds()) return { status: 'lapsed' };
      if (successor?.conn === who.id) return { status: 'moved' };
      if (successor !== null) return { status: 'refused', code: codeAfter(who, successor, replaced) };
      // Not before the answer: a script unknown to Redis is sent again, and would put the list back after it was cleared.
      settled = true;
      if (confirmed) this.clear(who);
    }
    return { status: 'held', saved, preferences, amendment, hasReplaced: replaced.length > 0, mailbox };
  }

  /** The own-client entries left on the list are confirmed too (C5). If this fails, the next reconcile repeats it. */
  private clear(who: Claimant): void {
    if (!who.isOpen()) return;
    const { store, clusterTime, report } = this.parts;
    this.uncleared.add(who.id);
    store.settle(who, [], clusterTime.now()).then(
      () => this.uncleared.delete(who.id),
      (error: unknown) => report(error, 'registry.settle'),
    );
  }

  /** Clears the list of a connection whose own attempt to do so was not answered. Idempotent. */
  clearAgain(who: Claimant): void {
    if (this.uncleared.has(who.id)) this.clear(who);
  }
}

/**
 * Close code for a connection that is no longer current: an admin's order stands (C15; the tombstone keeps the client, and 4206 would
 * make it reconnect), a later attempt of its own client came, or another client replaced it (C5). If no newer connection is stored, or only
 * an earlier attempt of the same client, Redis lost the claim. A final close code would leave the user offline, so the client is told to
 * reconnect. A connection that this one replaced, or an earlier attempt of its client, is not newer: both claimed after Redis lost data (C4).
 */
function codeAfter(
  who: Claimant,
  { conn, fence, client, code, attempt }: Successor,
  replaced: readonly ReplacedOwner[],
): CloseCode {
  const order = compareFences(fence, who.fence);
  if (code !== 0) return order < 0 ? CLOSE.LEASE_LOST : code;
  if (replaced.some(({ c, k, n = -1 }) => c === conn || (k !== '' && k === client && attempt <= n)))
    return CLOSE.LEASE_LOST;
  if (who.client !== null && who.client.id === client) {
    return attempt < who.client.attempt ? CLOSE.LEASE_LOST : CLOSE.NEWER_ATTEMPT;
  }
  if (order < 0 || (order === 0 && conn === '')) return CLOSE.LEASE_LOST;
  return CLOSE.SUPERSEDED;
}

function refusal(answer: Exclude<ClaimAnswer, { status: 'ok' }>): ClaimOutcome {
  switch (answer.status) {
    case 'exists':
      return { status: 'occupied', owner: answer };
    case 'refused':
    case 'moved':
      return answer;
  }
}
