import { CLOSE, type CloseCode } from '@unified-ws/protocol';
import type { Core } from '../../core.js';
import type { Clock } from '../../util/clock.js';
import type { ClaimOutcome, Claims } from '../claim/claims.js';
import type { Duplicates } from '../claim/duplicates.js';
import type { Releases } from '../claim/releases.js';
import type { Amendment } from '../store/amendment.js';
import type { RegistryStore } from '../store/registryStore.js';
import { type Claimant, compareFences, type Entry, type MailboxHead } from '../store/registryTypes.js';

/** An established connection, as reconcile uses it. */
export interface Holder extends Claimant {
  /** An order of permissions-changed about its token applies from now on; called before `regain` (G8). */
  amend(amendment: Amendment): void;
  /** Stops delivery until `regain`: it is unknown whether the connection is current. */
  suspend(): void;
  /** The connection is current again. */
  regain(): void;
  end(code: CloseCode): void;
}

export type Verdict =
  | { readonly action: 'keep' }
  | { readonly action: 'reclaim' }
  | { readonly action: 'end'; readonly code: CloseCode };

/**
 * Decides about one connection by the registry's entry (C4, C12, C15). Pure. An entry of a dead lease counts here as any other: it
 * is absent only for claims and look-ups. Otherwise an older connection would replace the newest one.
 */
export function decideEntry(who: Pick<Claimant, 'id' | 'fence' | 'client'>, entry: Entry, lease: string): Verdict {
  if (entry.revokedCode !== 0) return { action: 'end', code: entry.revokedCode };
  if (entry.conn === who.id) return entry.lease === lease ? { action: 'keep' } : { action: 'reclaim' };
  // An empty entry of the same fence is this connection's own, removed by housekeeping while its node was away.
  const order = compareFences(entry.fence, who.fence);
  const outranked = entry.conn === '' ? order > 0 : order >= 0;
  if (outranked && entry.code !== 0) return { action: 'end', code: entry.code };
  if (who.client !== null && who.client.id === entry.client) {
    // After Redis lost data, an earlier attempt of the same device may have claimed first: the attempt decides before the fence (C5).
    if (entry.attempt > who.client.attempt) return { action: 'end', code: CLOSE.NEWER_ATTEMPT };
    if (entry.attempt < who.client.attempt) return { action: 'reclaim' };
    return outranked ? { action: 'end', code: CLOSE.NEWER_ATTEMPT } : { action: 'reclaim' };
  }
  return outranked ? { action: 'end', code: CLOSE.SUPERSEDED } : { action: 'reclaim' };
}

type TokenFacts = Pick<Claimant, 'issuedAt' | 'sessionId'>;

function isToken(who: Holder, { issuedAt, sessionId }: TokenFacts): boolean {
  return who.issuedAt === issuedAt && who.sessionId === sessionId;
}

/** Entries read at the same time. */
const CHUNK = 200;

export interface ReconcileParts extends Pick<Core, 'report'> {
  readonly store: RegistryStore;
  readonly claims: Claims;
  readonly releases: Releases;
  readonly duplicates: Duplicates;
  readonly lease: () => string;
  /** All established connections of this node. */
  readonly holders: () => Iterable<Holder>;
  readonly hasConnection: (conn: string) => boolean;
  /** Whether it is unknown who is current, because the user's shard of Redis does not answer. */
  readonly isAway: (userId: string) => boolean;
  /** The head of the user's mailbox, read together with the entry of a current connection (L4). */
  readonly onMailbox?: (who: Holder, head: MailboxHead | null) => void;
}

/**
 * The only way in which a node and the registry agree again: after a lost lease, an interruption of the bus or the command link, the
 * return of Redis, and in a paced sweep (C12). Reading and re-claiming are two steps: another connection may claim in between,
 * and claim.lua then refuses (C4).
 */
export class Reconciler {
  private readonly parts: ReconcileParts;

  constructor(parts: ReconcileParts) {
    this.parts = parts;
  }

  /**
   * Brings every established connection in line. When it resolves, each is current, suspended, or closed.
   *
   * @throws when Redis did not answer; connections not reached are unchanged, and the call may be repeated.
   */
  async all(): Promise<void> {
    let chunk: Holder[] = [];
    for (const holder of [...this.parts.holders()]) {
      chunk.push(holder);
      if (chunk.length < CHUNK) continue;
      await Promise.all(chunk.map((one) => this.one(one)));
      chunk = [];
    }
    await Promise.all(chunk.map((one) => this.one(one)));
    await this.ghosts();
  }

  /** Brings one connection in line. If its keys have the wrong type, only this connection ends: it must not stop the whole node from serving. */
  async one(who: Holder): Promise<void> {
    try {
      await this.bringInLine(who);
    } catch (error) {
      if (!(error instanceof Error) || !/\bWRONGTYPE\b/.test(error.message)) throw error;
      this.parts.report(error, 'registry.entry');
      who.end(CLOSE.UNAVAILABLE);
    }
  }

  private async bringInLine(who: Holder): Promise<void> {
    const { claims, lease, duplicates, isAway } = this.parts;
    if (!who.isOpen()) return;
    if (isAway(who.userId)) {
      // Suspended until its shard answers: the node is interrupted then, and reconciles again.
      who.suspend();
      return;
    }
    const entry = await this.entry(who);
    if (entry === null) return;
    const verdict = decideEntry(who, entry, lease());
    if (verdict.action !== 'end') who.amend(entry.amendment);
    if (verdict.action === 'end') {
      duplicates.look(who, verdict.code, entry.since);
      who.end(verdict.code);
    } else if (verdict.action === 'keep' && !claims.isUnsettled(who)) {
      // A re-claim that ran without an answer may have taken another fence.
      who.fence = entry.fence;
      who.regain();
      claims.clearAgain(who);
      this.parts.onMailbox?.(who, entry.mailbox);
    } else if (verdict.action === 'reclaim' || !claims.isWaiting(who)) {
      // A waiting connection too: its wait belongs to another entry than this.
      who.suspend();
      const token = { issuedAt: who.issuedAt, sessionId: who.sessionId };
      const settled = (outcome: ClaimOutcome): void => this.settled(who, outcome, token);
      const outcome = await claims.reclaim(who, entry.conn === who.id ? entry.lease : '', settled);
      if (outcome.status !== 'waiting') settled(outcome);
    }
  }

  /** When this resolves, orders about the user apply to this connection, even if it is not established yet. */
  async review(who: Holder & { readonly established: boolean }): Promise<void> {
    if (who.established) return this.one(who);
    // Its claim may have been answered before the order, with connection_established still to come.
    const entry = await this.entry(who);
    if (entry !== null && entry.revokedCode !== 0) who.end(entry.revokedCode);
    else if (entry !== null) who.amend(entry.amendment);
  }

  /** The registry's entry, read for the token that the connection has now; null when it closed meanwhile. */
  private async entry(who: Holder): Promise<Entry | null> {
    for (;;) {
      const { issuedAt, sessionId } = who;
      const entry = await this.parts.store.entry(who);
      if (!who.isOpen()) return null;
      // A token that was refreshed meanwhile must not be checked by the answer for the old one.
      if (isToken(who, { issuedAt, sessionId })) return entry;
    }
  }

  /** Entries under this lease without a connection here: a claim that ran after its release (C8). */
  async ghosts(): Promise<void> {
    const users = this.parts.releases.doubtfulUsers();
    for (let at = 0; at < users.length; at += CHUNK) {
      await Promise.all(users.slice(at, at + CHUNK).map((userId) => this.ghost(userId)));
    }
  }

  private async ghost(userId: string): Promise<void> {
    const { store, releases, lease, hasConnection, isAway } = this.parts;
    if (isAway(userId)) return;
    const entry = await store.entry({ userId, issuedAt: Number.MAX_SAFE_INTEGER, sessionId: '' });
    if (entry.conn !== '' && entry.lease === lease() && !hasConnection(entry.conn)) {
      releases.release(userId, entry.conn, entry.fence);
    }
  }

  /** @param token that the re-claim was sent with. */
  private settled(who: Holder, outcome: ClaimOutcome, token: TokenFacts): void {
    if (outcome.status === 'held') {
      if (isToken(who, token)) who.amend(outcome.amendment);
      who.regain();
      this.parts.onMailbox?.(who, outcome.mailbox);
    } else if (outcome.status === 'refused') {
      who.end(outcome.code);
    } else if (outcome.status === 'moved') {
      this.one(who).catch((error: unknown) => this.parts.report(error, 'registry.reclaim'));
    }
  }
}

/** A step that takes longer counts as hung. */
const STUCK_MS = 120_000;

/** Checks all established connections once per interval, a slice each second: it limits how long an unforeseen fault can last (C12). */
export class Sweep {
  private readonly parts: ReconcileParts & {
    readonly intervalMs: number;
    readonly isServing: () => boolean;
    readonly clock: Clock;
  };
  private readonly reconciler: Reconciler;
  private timer: NodeJS.Timeout | null = null;
  private round: Iterator<Holder> | null = null;
  private slice = 0;
  private running = false;
  private runningSince = 0;

  constructor(parts: Sweep['parts'], reconciler: Reconciler) {
    this.parts = parts;
    this.reconciler = reconciler;
  }

  start(): void {
    const step = Math.min(1000, this.parts.intervalMs);
    this.timer = setInterval(() => void this.step(step), step);
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** Why it no longer runs; null: it runs. */
  fault(): string | null {
    return this.running && this.parts.clock.mono() - this.runningSince > STUCK_MS ? 'hangs' : null;
  }

  private async step(stepMs: number): Promise<void> {
    const { report, intervalMs, isServing, holders } = this.parts;
    if (this.running || !isServing()) return;
    this.running = true;
    this.runningSince = this.parts.clock.mono();
    try {
      if (this.round === null) {
        const all = [...holders()];
        this.slice = Math.max(1, Math.ceil((all.length * stepMs) / intervalMs));
        this.round = all.values();
        await this.reconciler.ghosts();
      }
      for (let left = this.slice; left > 0; left -= CHUNK) {
        const chunk: Holder[] = [];
        while (chunk.length < Math.min(left, CHUNK)) {
          const next = this.round.next();
          if (next.done) {
            this.round = null;
            break;
          }
          chunk.push(next.value);
        }
        await Promise.all(chunk.map((one) => this.reconciler.one(one)));
        if (this.round === null) break;
      }
    } catch (error) {
      report(error, 'registry.sweep');
    } finally {
      this.running = false;
    }
  }
}
