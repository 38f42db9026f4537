/**
 * Messages between nodes on a node's channel, one JSON object each. `t` is the kind.
 * Every message may be lost, repeated or late; each receiver must tolerate that.
 */
export type BusMessage =
  | OwnMessage
  | EvictMessage
  | EvictedMessage
  | RequestMessage
  | ReplyMessage
  | EphemeralMessage
  | UserMessage;

/** The node's message to itself: proof that this subscription hears (C6, C13), and the barrier before a reconcile (C12). */
interface OwnMessage {
  readonly t: 'own';
  /** The subscription that was in force when it was sent. */
  readonly epoch: number;
  /** Monotonic milliseconds when it was sent. */
  readonly at: number;
}

/** Published by claim.lua, and again by the claimer until it is confirmed: close `conn`, a newer claim replaced it. */
export interface EvictMessage {
  readonly t: 'evict';
  readonly conn: string;
  /** The claimer's fence. A string: it comes from Lua, and 64-bit numbers do not survive every JSON. */
  readonly fence: string;
  /** The claimer's connection and lease, to answer to. */
  readonly by: string;
  readonly to: string;
  /** Close code: 4001, or 4206 for an earlier attempt of the claimer's own client. */
  readonly code: number;
  /** Cluster time since when the claimer is established, ms; absent while it waits for this confirmation. */
  readonly since?: number;
}

/** The confirmation: `conn` is out of the table and nothing more is written to it. */
interface EvictedMessage {
  readonly t: 'evicted';
  readonly conn: string;
  readonly by: string;
}

export interface RequestMessage {
  readonly t: 'request';
  readonly id: string;
  readonly to: string;
  readonly command: string;
  readonly data: unknown;
}

export interface ReplyMessage {
  readonly t: 'reply';
  readonly id: string;
  readonly data: unknown;
}

/** Ephemeral events for users connected to the node, as events/publish/ephemeralSender.ts writes them. At most once: they are never repeated. */
export interface EphemeralMessage {
  readonly t: 'ephemeral';
  readonly events: readonly { readonly users: readonly string[]; readonly event: unknown }[];
}

/** Events appended to mailboxes of users connected here. Only a hint: missing events are read from the mailbox (L3). */
export interface UserMessage {
  readonly t: 'user';
  readonly boxes: readonly MailBatch[];
}

/** Entries of one mailbox without a gap. */
export interface MailBatch {
  readonly user: string;
  readonly epoch: string;
  /** Offset of the first entry. */
  readonly first: number;
  /** Tag of the entry before the first one. */
  readonly prev_tag: string;
  /** The newest offset; higher than the entries' when they are left out, because an earlier message may be lost. */
  readonly head: number;
  /** Tag and event as stored in the mailbox. */
  readonly events: readonly (readonly [tag: string, event: unknown])[];
}
