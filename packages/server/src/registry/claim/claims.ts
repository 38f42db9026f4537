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
  /** Current, and everybody replaced is confirmed closed or has lost the right to deliver. */
  | {
      readonly status: 'held';
      readonly saved: readonly string[];
      readonly preferences: readonly string[];
      readonly amendment: Amendment;
      readonly hasReplaced: boolean;
      readonly mailbox: ClaimedMailbox | null;
    }
  /** Not current: close with this code. `until`: end of a ban, ms, 0 = for good. */
  | { readonly status: 'refused'; readonly code: CloseCode; readonly until?: number }
  /** CONNECTION_POLICY=reject, and this one is connected, as far as the registry knows. */
  | { readonly status: 'occupied'; readonly owner: Pick<Owner, 'conn' | 'lease'> }
  /** The socket closed, or was evicted, meanwhile. Nothing is left to do. */
  | { readonly status: 'gone' }
  /** Another re-claim of the connection, or another lease of this node, took its place: it decides nothing any more. */
  | { readonly status: 'lapsed' }
  /** The entry is the connection's own, but under another lease than was read: it is to be read again. */
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

/** A re-claim that was sent and is not settled; the newest of its connection. */
interface Reclaim {
  readonly lease: string;
}

/**
 * Makes connections current (CONSISTENCY C1-C8). The caller has put the connection into the node's table before (C1), so an
 * evict that overtakes the claim's answer finds it.
 */
export class Claims {
  private readonly parts: ClaimsParts;
  private readonly batcher: ClaimBatcher<Waiting>;
  /** By connection: while its re-claim is not settled, "mine" in the registry is no leave to deliver for it (C4). */
  private readonly reclaims = new Map<string, Reclaim>();

  constructor(parts: ClaimsParts) {
    this.parts = parts;
    this.batcher = new ClaimBatcher(parts.clock, (batch) => this.sendTogether(batch));
  }

  /**
   * Claims, waits for the replaced owners, settles.
   *
   * @throws when Redis did not answer: the claim may still run, so it is released until that is confirmed (C8). The caller
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
    // Nothing that was not established outlives its lease.
    const isOver = outcome.status === 'lapsed' || outcome.status === 'moved';
    return isOver ? { status: 'refused', code: CLOSE.LEASE_LOST } : outcome;
  }

  /**
   * Claims again for an established connection: under a new lease, or after a Redis that forgot (C4). `waiting` calls
   * `onSettled` later; until then the connection delivers nothing. An earlier re-claim of it decides nothing from now on.
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

  /** Whether a re-claim of it was sent, answered or not, and its replaced owners are not settled: it may not deliver (C4). */
  isUnsettled(who: Claimant): boolean {
    return this.reclaims.has(who.id);
  }

  /** Whether it waits for replaced owners just now. */
  isWaiting(who: Claimant): boolean {
    return this.parts.pendingReplacements.isWaiting(who.id);
  }

  /** What was waited for under the former lease is worth nothing under the new one: the reconcile that follows re-claims (C10). */
  onNewLease(): void {
    for (const conn of this.reclaims.keys()) this.parts.pendingReplacements.forget(conn);
  }

  /** The connection left the table. A claim that is still under way is released when its answer comes (C1). */
  release(who: Claimant): void {
    this.parts.pendingReplacements.forget(who.id);
    this.reclaims.delete(who.id);
    if (who.fence !== '') this.parts.releases.release(who.userId, who.id, who.fence);
  }

  private sendTogether(batch: readonly Waiting[]): void {
    // C5: a device that gave up on its socket has a newer attempt under way, which this claim would evict.
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
      // A re-claim is repeated by its caller: it keeps the connection. A first claim ends with its socket (C8).
      if (again === null || !who.isOpen()) releases.releaseUnanswered(who.userId, who.id);
      throw error;
    }
    if (answer.status === 'ok') {
      who.fence = answer.fence;
      who.lease = under;
      // Doomed while claiming (C1), or the peer left: nobody else will release it.
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
      // Not before the answer: a script that Redis does not know is sent again, and would put the list back after the clear.
      settled = true;
      if (confirmed) this.clear(who);
    }
    return { status: 'held', saved, preferences, amendment, hasReplaced: replaced.length > 0, mailbox };
  }

  /** The own-client entries that stayed on the list are confirmed too (C5). Left to the next claimer when this fails. */
  private clear(who: Claimant): void {
    if (!who.isOpen()) return;
    const { store, clusterTime, report } = this.parts;
    store.settle(who, [], clusterTime.now()).catch((error: unknown) => report(error, 'registry.settle'));
  }
}

/**
 * Told to a connection that is current no more: an admin's order stands (C15; the tombstone keeps the client, and 4206 would
 * bring it back), its own client's later attempt came, or somebody else (C5). When nobody newer is there, or an earlier attempt of
 * its own client, Redis forgot the claim: a code that ends the client for good would leave the user offline, so it comes back. One
 * that it has replaced is no newer one either, nor is an earlier attempt of such a client: they claimed in a Redis that forgot (C4).
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
