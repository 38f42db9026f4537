import { hash } from 'node:crypto';
import type { StoredEvent } from './storedEvent.js';

/** Default of IDEMPOTENCY_WINDOW_MS. */
export const DEFAULT_WINDOW_MS = 15 * 60 * 1000;
/** Of an id of any length so many characters of its hash are remembered: 96 bits. */
const SHORT_LENGTH = 16;
const DIGEST_LENGTH = 8;
/** Ids of one mailbox, or outcomes of one queue, whose first characters agree lie in one field of a hash, one after the other. */
const FIELD_LENGTH = 2;
/** Ids that follow from one of the publisher's own (`EventIds.given`). */
const GIVEN = /^[A-Za-z0-9_-]{8}_/;

/**
 * The build before this one remembers whole ids. While its ids may count they are looked up; while its nodes may look, ours are written
 * too.
 */
export const WHOLE_IDS = { no: 0, read: 1, written: 2 } as const;
export type WholeIds = (typeof WHOLE_IDS)[keyof typeof WHOLE_IDS];

/** Where an id is remembered in a packed hash, and what follows the field there. */
export interface PackedId {
  readonly field: string;
  readonly rest: string;
}

/** What of an id is remembered. */
export function shortId(id: string): string {
  return hash('sha256', id, 'base64url').slice(0, SHORT_LENGTH);
}

export function packed(id: string): PackedId {
  const short = shortId(id);
  return { field: short.slice(0, FIELD_LENGTH), rest: short.slice(FIELD_LENGTH) };
}

/** What follows an id in its field, so many characters; null: it is not there. Of several the newest. */
export function unpack(text: string | null, { rest }: PackedId, length: number): string | null {
  const at = text?.lastIndexOf(rest) ?? -1;
  return text === null || at < 0 ? null : text.slice(at + rest.length, at + rest.length + length);
}

/** As append.lua and box.lua get it: the short id, and for an id of the publisher's own the digest of the payload. */
export function remembered(event: StoredEvent): string {
  return shortId(event.id) + (GIVEN.test(event.id) ? payloadDigest(event) : '');
}

/** The digest that follows an id in its field; '' for ids that the server made. */
export function unpackDigest(text: string | null, id: string): string | null {
  return unpack(text, packed(id), GIVEN.test(id) ? DIGEST_LENGTH : 0);
}

/**
 * Tells one payload from another under the same id: what the publisher said of the event, but not to whom and when it goes. The order of
 * properties does not count.
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
