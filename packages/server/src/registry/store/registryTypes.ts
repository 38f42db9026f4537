import type { CloseCode } from '@unified-ws/protocol';
import type { Amendment } from './amendment.js';

/** A connection as the registry sees it. */
export interface Claimant {
  /** Unique, never reused. */
  readonly id: string;
  readonly userId: string;
  /** The SDK instance and its attempt (C5), or null. */
  readonly client: { readonly id: string; readonly attempt: number } | null;
  /** From the token: issue time in seconds, and session id or ''. Checked against revocations (C7). */
  readonly issuedAt: number;
  readonly sessionId: string;
  /** Offset of the mailbox position that the client gave; none when it gave none. */
  readonly mailOffset?: number | undefined;
  /** Decimal fence, '' until claimed. A string: it is compared, stored and sent, never calculated with. */
  fence: string;
  /** The lease that the entry was written under, '' until claimed. */
  lease: string;
  /** What others may read about the connection while it is current. */
  facts(): string;
  /** Whether the socket still stands. */
  isOpen(): boolean;
}

/** An owner that was replaced and has not confirmed yet (C2), as claim.lua stores it. */
export interface ReplacedOwner {
  /** Connection id. */
  readonly c: string;
  /** Lease. */
  readonly l: string;
  /** Fence. */
  readonly f: string;
  /** Client id, '' when none. */
  readonly k: string;
  /** Attempt of that client; absent when a node of an earlier version replaced it. */
  readonly n?: number;
}

export type ClaimAnswer =
  | {
      readonly status: 'ok';
      readonly fence: string;
      readonly replaced: readonly ReplacedOwner[];
      readonly saved: readonly string[];
      /** Field and JSON value of each preference that the user chose. */
      readonly preferences: readonly string[];
      readonly amendment: Amendment;
      /** Null when the user has none. */
      readonly mailbox: ClaimedMailbox | null;
    }
  /** Close with this code. `until`: end of a ban, ms, 0 = permanent. */
  | { readonly status: 'refused'; readonly code: CloseCode; readonly until?: number }
  | { readonly status: 'exists'; readonly conn: string; readonly lease: string }
  /** A re-claim that came late: the entry is under a later lease already. */
  | { readonly status: 'moved' };

/** The current connection of a user. */
export interface Owner {
  readonly conn: string;
  readonly fence: string;
  readonly lease: string;
}

/** What admins ordered about a token. */
export interface TokenOrders {
  /** Why the token is void, 0 when it is not. */
  readonly revokedCode: CloseCode | 0;
  /** End of a ban, milliseconds since the epoch, 0 = permanent; 0 too when the token is not banned. */
  readonly revokedUntil: number;
  readonly amendment: Amendment;
}

/** What the registry holds of one user's connection, read by reconcile.lua; its orders are about the token in the request. */
export interface Entry extends Owner, TokenOrders {
  /** Of a tombstone (C15), 0 when none stands. */
  readonly code: CloseCode | 0;
  readonly client: string;
  readonly attempt: number;
  /** Null when the user has no mailbox. */
  readonly mailbox: MailboxHead | null;
  /** Cluster time since when the owner is established, ms; null while it is not, or when its node does not store it. */
  readonly since: number | null;
}

/** The newest entry of a mailbox: offset 0 and tag '' while there is none. */
export interface MailboxHead {
  readonly epoch: string;
  readonly offset: number;
  readonly tag: string;
}

export interface MailboxState extends MailboxHead {
  /** Everything up to here is acknowledged and removed; 0 and '' when nothing was. */
  readonly acked: number;
  readonly ackedTag: string;
  /** Lowest offset still stored; head + 1 when none is. */
  readonly first: number;
  /** Tag of the entry before `first`. */
  readonly floorTag: string;
}

/** The mailbox as claim.lua saw it. */
export interface ClaimedMailbox extends MailboxState {
  /** Tag of the entry at the offset that the client resumes from, null when that entry is not stored. */
  readonly resumeTag: string | null;
}

/** Compares two decimal fences without losing digits. */
export function compareFences(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
