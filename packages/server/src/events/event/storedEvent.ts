import type { Priority, Severity } from '@unified-ws/protocol';

/**
 * An event in the queue and in the log, with the names of the wire. Delivery leaves out what clients must not see (roles, permission,
 * exclude, expires_at, sensitive fields).
 */
export interface StoredEvent {
  /** Made by the server (L2). */
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** RFC 3339, UTC: when the event was accepted. */
  readonly timestamp: string;
  readonly priority: Priority;
  readonly category: string;
  readonly severity: Severity;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Only for users with one of these roles. */
  readonly roles?: readonly string[];
  /** Only for users with this permission, in addition to that of the type. */
  readonly permission?: string;
  /** Not for these users. */
  readonly exclude?: readonly string[];
  /** For ephemeral events: of several with the same type and key only the latest counts. */
  readonly conflation_key?: string;
  /** RFC 3339, UTC: the event is not appended after this time. */
  readonly expires_at?: string;
  /** For the mailboxes of these users, without repeats. Only in the queue: never in a mailbox nor on the wire. */
  readonly target_user_ids?: readonly string[];
}

/** Bytes of an event's JSON in the log or in a mailbox. */
export function bytesOf(event: StoredEvent): number {
  return Buffer.byteLength(JSON.stringify({ ...event, target_user_ids: undefined }));
}

const MAX_USER_ID_BYTES = 128;

/** User ids are percent-encoded in keys and channels. A lone surrogate cannot be encoded (CONSISTENCY, "Keys"). */
export function isUserId(value: unknown): value is string {
  if (typeof value !== 'string' || value === '') return false;
  return Buffer.byteLength(value) <= MAX_USER_ID_BYTES && !/\p{Surrogate}/u.test(value);
}

/** Maximum bytes of an event's JSON. Limits what one publish costs every node, every cohort buffer and the log. */
export const MAX_EVENT_BYTES = 256 * 1024;

/**
 * Maximum depth of arrays and objects. JSON.stringify recurses, so a deeper event could overflow the stack of any later writer.
 */
export const MAX_EVENT_DEPTH = 64;

/** Whether `value` has arrays or objects nested deeper than `levels`. */
export function deeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const inner of Object.values(value)) if (deeperThan(inner, levels - 1)) return true;
  return false;
}

/** An upper bound of the bytes of a value's JSON. Much cheaper than making it, and enough for most values. */
export function jsonBytesAtMost(value: unknown): number {
  // A character becomes at most six bytes (\uXXXX); a number has at most 25.
  if (typeof value === 'string') return 6 * value.length + 2;
  if (typeof value !== 'object' || value === null) return 25;
  let sum = 2;
  if (Array.isArray(value)) for (const inner of value) sum += jsonBytesAtMost(inner) + 1;
  else for (const [key, inner] of Object.entries(value)) sum += 6 * key.length + 4 + jsonBytesAtMost(inner);
  return sum;
}
