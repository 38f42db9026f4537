import { CLOSE, type CloseCode } from '@unified-ws/protocol';
import type { Core } from '../../core.js';
import { type Signature, UNSIGNED } from '../../redis/installation.js';
import { LuaScript } from '../../redis/luaScript.js';
import { CLOCK_STEP_MS, type Clock, systemClock } from '../../util/clock.js';
import { NO_AMENDMENT, parseAmendment } from './amendment.js';
import { closeCodeOf } from './refusals.js';
import type {
  ClaimAnswer,
  Claimant,
  ClaimedMailbox,
  Entry,
  Owner,
  ReplacedOwner,
  TokenOrders,
} from './registryTypes.js';

const CLOCK_STEP_S = CLOCK_STEP_MS / 1000;
/** The remaining entry after a release, and a tombstone, live at least an hour, seconds (C4, C15). */
const RELEASED_TTL_S = 3600 + CLOCK_STEP_S;
/** Saved subscriptions and preferences live this long after the last connect, seconds. */
export const SAVED_TTL_S = 90 * 24 * 3600;
/** Default of MAX_TOKEN_AGE_MS. */
const MAX_TOKEN_AGE_MS = 24 * 3600 * 1000;

const MAILBOX_TTL_MS = 24 * 3600 * 1000;

const lua = (name: string): LuaScript => LuaScript.load(name, new URL(`./lua/${name}.lua`, import.meta.url));

interface StoreParts extends Pick<Core, 'redis' | 'keys'> {
  readonly installation?: Signature;
  readonly policy: 'replace' | 'reject';
  /** Cluster time. Default: the wall clock of this machine. */
  readonly clock?: Pick<Clock, 'now'>;
  /** MAILBOX_TTL_MS. Default 24 h. */
  readonly mailboxTtlMs?: number;
  /** MAX_TOKEN_AGE_MS: no token is older, so orders about tokens expire after it. Default 24 h. */
  readonly maxTokenAgeMs?: number;
}

export interface Ban {
  /** Milliseconds since the epoch, 0 = permanent. */
  readonly until: number;
  readonly reason: string;
}

export interface Revocation {
  /** Milliseconds since the epoch, 0 = permanent. */
  readonly banUntil?: number;
  /** Tokens issued before this are void, milliseconds since the epoch. */
  readonly before?: number;
  readonly session?: string;
  readonly reason: string;
}

/** An order about the tokens of a user that were issued before `asOf`. */
export interface AmendmentOrder {
  /** Replace those of the token; left out: the token's stay. */
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
  /** Milliseconds since the epoch, a whole second: tokens carry whole seconds. */
  readonly asOf: number;
  /** A newer token is needed by then, milliseconds since the epoch. */
  readonly renewBy?: number;
}

/** What a re-claim is checked by (C4). */
export interface PriorClaim {
  /** The fence that the connection has. */
  readonly fence: string;
  /** The lease in its own entry, as it was read; '' when the entry is another's. */
  readonly from: string;
}

/** What settle.lua found instead of a claimer that is no longer current. */
export interface Successor {
  /** '' when no connection is current. */
  readonly conn: string;
  /** '0' when Redis knows nothing of the user. */
  readonly fence: string;
  readonly client: string;
  readonly attempt: number;
  /** The close code of a tombstone (C15), 0 when none stands. */
  readonly code: CloseCode | 0;
}

const NO_ORDERS: TokenOrders = Object.freeze({ revokedCode: 0, revokedUntil: 0, amendment: NO_AMENDMENT });

/** The order was not written: the user's connections differ from those that were seen. */
export const MOVED = Symbol('moved');

/** Owner and notes of a user as the text that revoke.lua and amend.lua compare. Never empty. */
export function seenOf(
  owner: { readonly conn: string; readonly facts: string } | null,
  noted: readonly { readonly conn: string }[],
): string {
  const notes = noted.map(({ conn }) => conn).sort();
  return `${owner?.conn ?? ''}\n${owner?.facts ?? ''}\n${notes.join(' ')}`;
}

/** The registry in Redis: one method per script. Makes no decisions and keeps no state. */
export class RegistryStore {
  private readonly parts: StoreParts;
  private readonly scripts = {
    claim: lua('claim'),
    settle: lua('settle'),
    release: lua('release'),
    kick: lua('kick'),
    revoke: lua('revoke'),
    unban: lua('unban'),
    reconcile: lua('reconcile'),
    amend: lua('amend'),
    facts: lua('facts'),
  };

  constructor(parts: StoreParts) {
    this.parts = parts;
  }

  /** @param again null for a first claim. */
  async claim(
    who: Claimant,
    lease: string,
    deadLeases: readonly string[],
    again: PriorClaim | null,
  ): Promise<ClaimAnswer> {
    const { redis, keys, policy, mailboxTtlMs = MAILBOX_TTL_MS, installation = UNSIGNED } = this.parts;
    const raw = (await this.scripts.claim.run(
      redis,
      [
        keys.conn(who.userId),
        keys.revoked(who.userId),
        keys.subs(who.userId),
        keys.prefs(who.userId),
        keys.box(who.userId),
        keys.boxmeta(who.userId),
      ],
      [
        who.id,
        lease,
        who.client?.id ?? '',
        who.client?.attempt ?? 0,
        policy,
        keys.nodeChannel(''),
        ` ${deadLeases.join(' ')} `,
        who.issuedAt,
        who.sessionId,
        who.facts(),
        again?.fence ?? '',
        SAVED_TTL_S,
        who.mailOffset ?? '',
        mailboxTtlMs,
        again?.from ?? '',
        this.now(),
        CLOCK_STEP_MS,
        installation.end,
        CLOSE.SUPERSEDED,
        CLOSE.NEWER_ATTEMPT,
      ],
    )) as [string, ...unknown[]];
    const [status, first, second, third, fourth, fifth, sixth] = raw;
    switch (status) {
      case 'ok':
        return {
          status,
          fence: String(first),
          replaced: parseReplaced(second),
          saved: third as string[],
          preferences: fourth as string[],
          amendment: parseAmendment(fifth),
          mailbox: parseMailbox(sixth),
        };
      case 'refused':
        return { status, code: closeCodeOf(first), ...(second === undefined ? {} : { until: Number(second) }) };
      case 'ended':
        return { status: 'refused', code: Number(first) as CloseCode };
      case 'exists':
        return { status, conn: String(first), lease: String(second) };
      case 'moved':
        return { status };
      default:
        throw new Error(`claim.lua answered ${String(status)}`);
    }
  }

  /**
   * Null when the claimer is current under its lease, else what is stored instead.
   *
   * @param now cluster time, ms.
   */
  async settle(who: Claimant, keep: readonly ReplacedOwner[], now: number): Promise<Successor | null> {
    const { redis, keys } = this.parts;
    const kept = keep.length === 0 ? '[]' : JSON.stringify(keep);
    const answer = await this.scripts.settle.run(
      redis,
      [keys.conn(who.userId)],
      [who.id, who.fence, kept, who.lease, now],
    );
    const [current, conn, fence, client, code, attempt] = answer as [
      number,
      string,
      string,
      string,
      CloseCode | 0,
      number,
    ];
    return current === 1 ? null : { conn, fence, client, code, attempt };
  }

  /** @param fence '' when the claim was never answered. @param lease '' for any. */
  async release(userId: string, conn: string, fence: string, lease: string): Promise<boolean> {
    const { redis, keys } = this.parts;
    const args = [conn, fence, lease, RELEASED_TTL_S];
    return (await this.scripts.release.run(redis, [keys.conn(userId)], args)) === 1;
  }

  /** Null when the tombstone was written, else the current owner. */
  async kick(userId: string, owner: Owner, code: number, reason: string): Promise<Owner | null> {
    const { redis, keys } = this.parts;
    const args = [owner.conn, owner.fence, code, reason, RELEASED_TTL_S];
    const [done, conn, fence, lease] = (await this.scripts.kick.run(redis, [keys.conn(userId)], args)) as string[];
    return Number(done) === 1 ? null : { conn: conn ?? '', fence: fence ?? '', lease: lease ?? '' };
  }

  /**
   * Writes the revocation and returns the owner at that moment, null when the user is not connected (C7).
   *
   * @param seen from `seenOf`; MOVED when the connections differ from it. Default: no check.
   */
  async revoke(userId: string, revocation: Revocation, now: number): Promise<Owner | null>;
  async revoke(userId: string, revocation: Revocation, now: number, seen: string): Promise<Owner | null | typeof MOVED>;
  async revoke(userId: string, revocation: Revocation, now: number, seen = ''): Promise<Owner | null | typeof MOVED> {
    const { redis } = this.parts;
    const { banUntil, before, session, reason } = revocation;
    const banTtl = banUntil === undefined ? 0 : Math.ceil((banUntil - now) / 1000) + CLOCK_STEP_S;
    const voidTtl = before === undefined && session === undefined ? 0 : this.voidTtlS;
    const ttl = banUntil === 0 ? 0 : Math.max(1, banTtl, voidTtl);
    const args = [banUntil ?? '', reason, before ?? '', session ?? '', ttl, now, now + this.tokenAgeMs, seen];
    return ownerOf(await this.scripts.revoke.run(redis, this.ordered(userId), args));
  }

  /** Lifts a ban. Returns whether one was in force. */
  async unban(userId: string): Promise<boolean> {
    const { redis, keys } = this.parts;
    return (await this.scripts.unban.run(redis, [keys.revoked(userId)], [this.voidTtlS, this.now()])) === 1;
  }

  /** The ban in force at `now`, milliseconds since the epoch; null when there is none. */
  async ban(userId: string, now: number): Promise<Ban | null> {
    const { redis, keys } = this.parts;
    const [until, reason] = await redis.hmget(keys.revoked(userId), 'ban_until', 'ban_reason');
    if (!until || (until !== '0' && Number(until) <= now)) return null;
    return { until: Number(until), reason: reason ?? '' };
  }

  async entry(who: Pick<Claimant, 'userId' | 'issuedAt' | 'sessionId'>): Promise<Entry> {
    const { redis, keys, mailboxTtlMs = MAILBOX_TTL_MS } = this.parts;
    const raw = (await this.scripts.reconcile.run(
      redis,
      [keys.conn(who.userId), keys.revoked(who.userId), keys.boxmeta(who.userId)],
      [who.issuedAt, who.sessionId, mailboxTtlMs, this.now(), CLOCK_STEP_MS],
    )) as [string, string, string, number, string, number, string, string, number, string, string[], string, string];
    const [conn, fence, lease, code, client, attempt, reason, epoch, offset, tag, amended, until, established] = raw;
    const revokedCode = reason === '' ? 0 : closeCodeOf(reason);
    const mailbox = epoch === '' ? null : { epoch, offset, tag };
    const amendment = parseAmendment(amended);
    const revokedUntil = Number(until);
    // An older node leaves the fields of an earlier owner.
    const [of, at] = established.split(' ');
    const since = conn !== '' && of === conn ? Number(at) : null;
    return {
      conn,
      fence,
      lease,
      code: code as CloseCode | 0,
      client,
      attempt,
      revokedCode,
      revokedUntil,
      amendment,
      mailbox,
      since,
    };
  }

  /** The orders about a token. There are none about nearly every user, which a plain command tells for less than the script. */
  async orders(who: Pick<Claimant, 'userId' | 'issuedAt' | 'sessionId'>): Promise<TokenOrders> {
    const { redis, keys } = this.parts;
    return (await redis.exists(keys.revoked(who.userId))) === 0 ? NO_ORDERS : this.entry(who);
  }

  /** Writes the order and returns the owner at that moment, null when the user is not connected (C7). @param seen as for `revoke`. */
  async amend(userId: string, order: AmendmentOrder): Promise<Owner | null>;
  async amend(userId: string, order: AmendmentOrder, seen: string): Promise<Owner | null | typeof MOVED>;
  async amend(userId: string, order: AmendmentOrder, seen = ''): Promise<Owner | null | typeof MOVED> {
    const { redis } = this.parts;
    const { roles, permissions, asOf, renewBy } = order;
    const args = [json(roles), json(permissions), asOf, renewBy ?? '', this.voidTtlS, this.now(), seen];
    return ownerOf(await this.scripts.amend.run(redis, this.ordered(userId), args));
  }

  /** Updates what others may read about a connection; does nothing when it is not the current one. */
  async updateFacts(who: Claimant): Promise<void> {
    const { redis, keys } = this.parts;
    await this.scripts.facts.run(redis, [keys.conn(who.userId)], [who.id, who.fence, who.facts()]);
  }

  /** The keys of the orders about a user, and of the user's connections. */
  private ordered(userId: string): string[] {
    const { keys } = this.parts;
    return [keys.revoked(userId), keys.conn(userId), keys.noted(userId)];
  }

  private get tokenAgeMs(): number {
    return this.parts.maxTokenAgeMs ?? MAX_TOKEN_AGE_MS;
  }

  /** Time to live of orders about a user's tokens, seconds. */
  private get voidTtlS(): number {
    return Math.ceil(this.tokenAgeMs / 1000) + CLOCK_STEP_S;
  }

  private now(): number {
    return (this.parts.clock ?? systemClock).now();
  }

  /** The current owner with the facts that its node stored, null when there is none. Does not check that the lease is alive. */
  async owner(userId: string): Promise<(Owner & { readonly facts: string }) | null> {
    const { redis, keys } = this.parts;
    const [conn, fence, lease, facts] = await redis.hmget(keys.conn(userId), 'conn', 'fence', 'lease', 'facts');
    return conn && fence && lease ? { conn, fence, lease, facts: facts ?? '' } : null;
  }
}

/** Result of revoke.lua and amend.lua. */
function ownerOf(answer: unknown): Owner | null | typeof MOVED {
  const [conn, fence = '', lease = ''] = answer as string[];
  if (conn === undefined) return MOVED;
  return conn === '' ? null : { conn, fence, lease };
}

function json(value: readonly string[] | undefined): string {
  return value === undefined ? '' : JSON.stringify(value);
}

function parseReplaced(raw: unknown): ReplacedOwner[] {
  const text = String(raw);
  // cjson writes an empty list as an empty object.
  return text === '[]' || text === '{}' ? [] : (JSON.parse(text) as ReplacedOwner[]);
}

function parseMailbox(raw: unknown): ClaimedMailbox | null {
  const row = raw as [string, number, string, number, string, number, string, string] | [];
  if (row.length === 0) return null;
  const [epoch, offset, tag, acked, ackedTag, first, floorTag, resumed] = row;
  return { epoch, offset, tag, acked, ackedTag, first, floorTag, resumeTag: resumed === '' ? null : resumed };
}
