/** A place in a log: the epoch of the log, the number of the entry, and a tag that only this entry has (L1). */
export interface Position {
  readonly epoch: string;
  /** 0 before the first entry, then growing by 1. */
  readonly offset: number;
  /** Empty if and only if there is no entry yet. */
  readonly tag: string;
}

export interface ClientAttempt {
  /** Random per SDK instance. */
  readonly client: string;
  readonly attempt: number;
}

export interface ResumePositions {
  readonly broadcast: string | null;
  readonly user: string | null;
}

/** 2 × 64 characters, 16 digits, two dots. */
export const MAX_POSITION_LENGTH = 146;
export const MAX_RESUME_LENGTH = 2 * MAX_POSITION_LENGTH + 1;
export const MAX_ATTEMPT = 2 ** 31;
/** 64 characters, a dot, ten digits. */
export const MAX_CLIENT_LENGTH = 75;

const POSITION = /^([A-Za-z0-9_-]{1,64})\.(0|[1-9][0-9]{0,15})\.([A-Za-z0-9_-]{0,64})$/;
const CLIENT = /^([A-Za-z0-9_-]{8,64})\.(0|[1-9][0-9]{0,9})$/;

/**
 * The opaque text of a position.
 * @throws RangeError when the text could not be parsed again: a client that resumes with it would count as fresh and miss events
 * without notice.
 */
export function formatPosition(epoch: string, offset: number, tag: string): string {
  const text = `${epoch}.${offset}.${tag}`;
  if (parsePosition(text) === null) throw new RangeError('position out of range');
  return text;
}

/** Parses a position; null when malformed (the scope then counts as fresh, L10). Never throws. */
export function parsePosition(text: string): Position | null {
  const match = matchBounded(POSITION, text, MAX_POSITION_LENGTH);
  if (match === null) return null;
  const [, epoch = '', digits = '', tag = ''] = match;
  const offset = Number(digits);
  // Without a tag, an entry could be confused with the entry of the same number in an earlier log (L1).
  if (!Number.isSafeInteger(offset) || (tag === '') !== (offset === 0)) return null;
  return { epoch, offset, tag };
}

/** The text of `?resume=` and of `resume` in `authenticate`. */
export function formatResume(broadcast: string | null, user: string | null): string {
  return `${broadcast ?? ''}~${user ?? ''}`;
}

/**
 * Parses `<broadcast position>~<user position>`. Either may be empty. A malformed one is null and leaves the other valid, because each
 * scope is resumed separately. Null when the text is not such a pair. Never throws.
 */
export function parseResume(text: string): ResumePositions | null {
  if (typeof text !== 'string' || text.length > MAX_RESUME_LENGTH) return null;
  const [broadcast, user, ...rest] = text.split('~');
  if (broadcast === undefined || user === undefined || rest.length > 0) return null;
  return { broadcast: wellFormed(broadcast), user: wellFormed(user) };
}

/** The text of `?client=` and of `client` in `authenticate`. */
export function formatClient(client: string, attempt: number): string {
  return `${client}.${attempt}`;
}

/** Parses `<id>.<attempt>` (C5); null when malformed: the connection then counts as a client of its own. Never throws. */
export function parseClient(text: string): ClientAttempt | null {
  const match = matchBounded(CLIENT, text, MAX_CLIENT_LENGTH);
  if (match === null) return null;
  const [, client = '', digits = ''] = match;
  const attempt = Number(digits);
  return attempt <= MAX_ATTEMPT ? { client, attempt } : null;
}

function wellFormed(position: string): string | null {
  return parsePosition(position) === null ? null : position;
}

/** Query strings may contain anything (also a list, with some parsers), so the length is checked before the pattern. */
function matchBounded(pattern: RegExp, text: string, maxLength: number): RegExpExecArray | null {
  return typeof text === 'string' && text.length <= maxLength ? pattern.exec(text) : null;
}
