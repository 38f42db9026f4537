import { hash } from 'node:crypto';
import type { StoredEvent } from './storedEvent.js';

/** Default of IDEMPOTENCY_WINDOW_MS. */
export const DEFAULT_WINDOW_MS = 15 * 60 * 1000;
/** Characters of an id's hash that are remembered, for ids of any length: 96 bits. */
const SHORT_LENGTH = 16;
const DIGEST_LENGTH = 8;
/** Ids of a mailbox, or outcomes of a queue, whose first characters agree share a field of a hash, one after the other. */
const FIELD_LENGTH = 2;
/** Ids derived from an id of the publisher (`EventIds.given`). */
const GIVEN = /^[A-Za-z0-9_-]{8}_/;

/**
 * The previous build remembers whole ids. They are looked up while its ids may count, and written as long as its nodes may look them up.
 */
export const WHOLE_IDS = { no: 0, read: 1, written: 2 } as const;
export type WholeIds = (typeof WHOLE_IDS)[keyof typeof WHOLE_IDS];

/** The place of a remembered id in a packed hash, and the value that follows it there. */
export interface PackedId {
  readonly field: string;
  readonly rest: string;
}

/** The remembered part of an id. */
export function shortId(id: string): string {
  return hash('sha256', id, 'base64url').slice(0, SHORT_LENGTH);
}

export function packed(id: string): PackedId {
  const short = shortId(id);
  return { field: short.slice(0, FIELD_LENGTH), rest: short.slice(FIELD_LENGTH) };
}

/** The `length` characters after an id in its field; null: the id is not there. The newest, if there are several. */
function unpack(text: string | null, { rest }: PackedId, length: number): string | null {
  const at = text?.lastIndexOf(rest) ?? -1;
  return text === null || at < 0 ? null : text.slice(at + rest.length, at + rest.length + length);
}

/** The same for each time that the id is there, the newest first. */
export function unpackAll(text: string | null, { rest }: PackedId, length: number): string[] {
  const found: string[] = [];
  for (
    let at = text?.lastIndexOf(rest) ?? -1;
    text !== null && at >= 0;
    at = at === 0 ? -1 : text.lastIndexOf(rest, at - 1)
  )
    found.push(text.slice(at + rest.length, at + rest.length + length));
  return found;
}

/** The argument of append.lua and box.lua: the short id and, if the publisher gave the id, the digest of the payload. */
export function remembered(event: StoredEvent): string {
  return shortId(event.id) + (GIVEN.test(event.id) ? payloadDigest(event) : '');
}

/** The digest that follows an id in its field; '' for ids that the server made. */
export function unpackDigest(text: string | null, id: string): string | null {
  return unpack(text, packed(id), GIVEN.test(id) ? DIGEST_LENGTH : 0);
}

/**
 * Tells payloads under the same id apart. Covers what the publisher said of the event, but not its recipients and times. The order of
 * properties does not matter.
 */
export function payloadDigest(event: StoredEvent): string {
  const { type, data, priority, severity, metadata, roles, permission, exclude } = event;
  const said = { type, data, priority, severity, metadata, roles, permission, exclude };
  return hash('sha256', JSON.stringify(said, sorted), 'base64url').slice(0, DIGEST_LENGTH);
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
