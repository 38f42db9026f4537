import type { Priority, Severity } from '@unified-ws/protocol';

/**
 * An event as it lies in the queue and in the log, with the wire's names. What a client may not see of it (roles,
 * permission, exclude, expires_at, sensitive fields) is left out when it is delivered.
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
  /** Only for users with this permission, besides the type's own. */
  readonly permission?: string;
  /** Not for these users. */
  readonly exclude?: readonly string[];
  /** Of ephemeral events: of those with one type and key only the latest counts. */
  readonly conflation_key?: string;
  /** RFC 3339, UTC: not appended from then on. */
  readonly expires_at?: string;
  /** For the mailboxes of these users, without repeats. In the queue alone: never in a mailbox nor on the wire. */
  readonly target_user_ids?: readonly string[];
}

/** Bytes of an event's JSON as it lies in the log or in a mailbox. */
export function bytesOf(event: StoredEvent): number {
  return Buffer.byteLength(JSON.stringify({ ...event, target_user_ids: undefined }));
}

const MAX_USER_ID_BYTES = 128;

/** User ids go into keys and channels, percent-encoded: a lone surrogate cannot (CONSISTENCY, "Keys"). */
export function isUserId(value: unknown): value is string {
  if (typeof value !== 'string' || value === '') return false;
  return Buffer.byteLength(value) <= MAX_USER_ID_BYTES && !/\p{Surrogate}/u.test(value);
}

/** Bytes of an event's JSON. Bounds what one publish costs every node, every cohort buffer and the log. */
export const MAX_EVENT_BYTES = 256 * 1024;

/**
 * Levels of arrays and objects. JSON.stringify recurses: a deep event would be a stack overflow at whoever writes it
 * last.
 */
export const MAX_EVENT_DEPTH = 64;

/** Whether `value` holds arrays or objects more than `levels` deep. */
export function deeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const inner of Object.values(value)) if (deeperThan(inner, levels - 1)) return true;
  return false;
}

/** An upper bound of the bytes of a value's JSON, at a fraction of the cost of making it: a look at most values suffices. */
export function jsonBytesAtMost(value: unknown): number {
  // A character becomes at most six bytes (\uXXXX); a number has at most 25.
  if (typeof value === 'string') return 6 * value.length + 2;
  if (typeof value !== 'object' || value === null) return 25;
  let sum = 2;
  if (Array.isArray(value)) for (const inner of value) sum += jsonBytesAtMost(inner) + 1;
  else for (const [key, inner] of Object.entries(value)) sum += 6 * key.length + 4 + jsonBytesAtMost(inner);
  return sum;
}
