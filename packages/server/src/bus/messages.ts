/**
 * What nodes tell each other on a node's channel, one JSON object a message. `t` is the kind.
 * Every message may be lost, repeated or late; each receiver must stand that.
 */
export type BusMessage = OwnMessage | EvictMessage | EvictedMessage | RequestMessage | ReplyMessage | EphemeralMessage;

/** The node's message to itself: proof that this subscription hears (C6, C13), and the barrier before a reconcile (C12). */
export interface OwnMessage {
  readonly t: 'own';
  /** The subscription that was in force when it was sent. */
  readonly epoch: number;
  /** Monotonic milliseconds when it was sent. */
  readonly at: number;
}

/** Published by claim.lua, and again by the claimer until it is answered: close `conn`, a newer claim displaced it. */
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
}

/** The answer: `conn` is out of the table and nothing more is written to it. */
export interface EvictedMessage {
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

/** Ephemeral events for users who are connected to the node, as events/ephemeral.ts writes them. At most once: nobody repeats it. */
export interface EphemeralMessage {
  readonly t: 'ephemeral';
  readonly events: readonly { readonly users: readonly string[]; readonly event: unknown }[];
}
