/** A frame of the server as it came. It is an event if and only if it has `scope`. */
export interface Frame {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly timestamp: string;
  readonly reply_to?: string;
  readonly id?: string;
  readonly priority?: string;
  readonly category?: string;
  readonly severity?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly scope?: 'broadcast' | 'user';
  readonly position?: string | null;
}

/** An RFC 3339 time in UTC: one without its zone is read as another time in each place. */
export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const MESSAGE_FIELDS: ReadonlySet<string> = new Set(['type', 'data', 'timestamp', 'reply_to']);
const EVENT_FIELDS: ReadonlySet<string> = new Set([
  'type',
  'data',
  'timestamp',
  'id',
  'priority',
  'category',
  'severity',
  'metadata',
  'scope',
  'position',
]);

/** Texts that give away what is inside: a stack, a path, a Redis key. */
const INSIDES = /\.[cm]?[jt]s:\d+:\d+|node_modules|\{u:|\{log\}|redis:\/\//;

/** What is wrong with the envelope of a frame; null: nothing. The schemas of `data` are the contract's. */
export function envelopeFault(frame: Frame): string | null {
  if (typeof frame.type !== 'string' || frame.type === '') return 'type is no text';
  if (typeof frame.data !== 'object' || frame.data === null || Array.isArray(frame.data)) return 'data is no object';
  if (!TIME.test(frame.timestamp)) return 'timestamp is no RFC 3339 time in UTC';
  const fields = frame.scope === undefined ? MESSAGE_FIELDS : EVENT_FIELDS;
  const strange = Object.keys(frame).find((field) => !fields.has(field));
  if (strange !== undefined) return `the field ${strange} is not in the envelope`;
  if (frame.scope === undefined) return insides(frame);
  if (frame.scope !== 'broadcast' && frame.scope !== 'user') return 'scope is neither broadcast nor user';
  for (const field of ['id', 'priority', 'category', 'severity'] as const) {
    if (typeof frame[field] !== 'string' || frame[field] === '') return `${field} is no text`;
  }
  if (frame.position !== null && typeof frame.position !== 'string') return 'position is neither a text nor null';
  return null;
}

/** Events carry what publishers wrote; what the server says itself must hold nothing of its insides. */
export function insides(value: unknown): string | null {
  const [found] = INSIDES.exec(JSON.stringify(value)) ?? [];
  return found === undefined ? null : `it holds ${JSON.stringify(found)}`;
}
