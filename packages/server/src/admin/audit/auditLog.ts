import {
  AUDIT_OUTCOMES,
  type AuditPage,
  type AuditQuery,
  type AuditRecordView,
  DEFAULT_AUDIT_PAGE,
} from '@unified-ws/protocol';
import type { Core } from '../../core.js';
import { AppError } from '../../util/appError.js';
import { parseTime } from '../../util/parseTime.js';
import { BEGUN } from './audit.js';

/** Records read at once: keeps Redis busy for well below a millisecond. */
const READ_AT_ONCE = 500;
/** Records scanned by one request at most; a filter without matches returns a short page and a cursor. */
const MAX_LOOKED_AT = 5000;
/** Upper bound of both numbers of a stream id. */
const MAX_ID_PART = 2n ** 64n - 1n;

/** An entry of the stream: an order that began, the end of one (`of` is its id), or both in one (written by older nodes). */
interface Entry {
  readonly id: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** Reads what admins did: the two entries of an order as one record, at the place of the first. */
export class AuditLog {
  constructor(private readonly parts: Pick<Core, 'redis' | 'keys' | 'report'>) {}

  /** @throws AppError VALIDATION_ERROR for an invalid `since` or cursor, UNAVAILABLE when Redis does not answer. */
  async page(query: AuditQuery): Promise<AuditPage> {
    const { limit = DEFAULT_AUDIT_PAGE } = query;
    const oldest = oldestId(query.since);
    if (query.cursor !== undefined && !isEntry(query.cursor)) throw invalid('cursor', 'is not a cursor of this list');
    const orders: Entry[] = [];
    const ends = new Map<string, Entry>();
    const nextCursor = await this.collect(query, limit, oldest, orders, ends);
    if (query.cursor !== undefined) await this.findEnds(orders, ends, query.cursor);
    return { records: orders.map((order) => recordOf(order, ends.get(order.id))), next_cursor: nextCursor };
  }

  /** Reads the page, and the ends of orders within it. @returns the cursor of the next page. */
  private async collect(
    query: AuditQuery,
    limit: number,
    oldest: string,
    orders: Entry[],
    ends: Map<string, Entry>,
  ): Promise<string | null> {
    let cursor = query.cursor ?? null;
    for (let looked = 0; looked < MAX_LOOKED_AT; looked += READ_AT_ONCE) {
      const entries = await this.read(cursor === null ? '+' : `(${cursor}`, oldest);
      for (const entry of entries) {
        cursor = entry.id;
        const order = entry.fields.get('of');
        if (order !== undefined) ends.set(order, entry);
        else if (fits(entry, query) && orders.push(entry) === limit) return cursor;
      }
      if (entries.length < READ_AT_ONCE) return null;
    }
    return cursor;
  }

  /** The end of an order may be beyond the page that its beginning is on. */
  private async findEnds(orders: readonly Entry[], ends: Map<string, Entry>, from: string): Promise<void> {
    const open = new Set(orders.filter((order) => isOpen(order) && !ends.has(order.id)).map(({ id }) => id));
    let place = from;
    for (let looked = 0; open.size > 0 && looked < MAX_LOOKED_AT; looked += READ_AT_ONCE) {
      const entries = await this.asked(() =>
        this.parts.redis.xrange(this.parts.keys.audit(), place, '+', 'COUNT', READ_AT_ONCE),
      );
      for (const entry of entries) {
        place = `(${entry.id}`;
        const order = entry.fields.get('of') ?? '';
        if (open.delete(order)) ends.set(order, entry);
      }
      if (entries.length < READ_AT_ONCE) return;
    }
  }

  private read(newest: string, oldest: string): Promise<Entry[]> {
    return this.asked(() => this.parts.redis.xrevrange(this.parts.keys.audit(), newest, oldest, 'COUNT', READ_AT_ONCE));
  }

  private async asked(rows: () => Promise<[id: string, fields: string[]][]>): Promise<Entry[]> {
    try {
      return (await rows()).map(([id, fields]) => ({ id, fields: pairs(fields) }));
    } catch (error) {
      this.parts.report(error, 'operations.audit');
      throw new AppError('UNAVAILABLE', 'The audit record does not answer; try again.', { cause: error });
    }
  }
}

/** Ids of the stream begin with the time in ms. */
function oldestId(since: string | undefined): string {
  if (since === undefined) return '-';
  const at = parseTime(since);
  if (at !== null) return String(Math.max(0, at));
  throw invalid('since', 'is not a time');
}

/** Checked here: Redis rejects ids beyond 64 bits, or with nothing before them, and that looks as if Redis were away. */
function isEntry(cursor: string): boolean {
  const [ms = 0n, number = 0n] = cursor.split('-').map(BigInt);
  return ms <= MAX_ID_PART && number <= MAX_ID_PART && ms + number > 0n;
}

function invalid(name: string, message: string): AppError {
  const errors = [{ path: `/${name}`, message }];
  return new AppError('VALIDATION_ERROR', `The query is not valid: /${name} ${message}.`, { details: { errors } });
}

function pairs(fields: readonly string[]): ReadonlyMap<string, string> {
  const stored = new Map<string, string>();
  for (let index = 0; index + 1 < fields.length; index += 2) stored.set(fields[index] ?? '', fields[index + 1] ?? '');
  return stored;
}

function isOpen({ fields }: Entry): boolean {
  return fields.get('result') === BEGUN && fields.get('outcome') === 'unknown';
}

function recordOf(order: Entry, end: Entry | undefined): AuditRecordView {
  const { id } = order;
  const { fields } = end ?? order;
  const field = (name: string): string => fields.get(name) ?? '';
  const outcome = field('outcome');
  return {
    id,
    at: field('at'),
    actor: field('by'),
    action: field('action'),
    target: field('target'),
    reason: field('reason'),
    details: field('details'),
    result: end === undefined && isOpen(order) ? 'outcome not known' : field('result'),
    // Written by a node of a version before outcomes: what it recorded had happened.
    outcome: AUDIT_OUTCOMES.find((known) => known === outcome) ?? 'done',
    ended_at: field('ended_at') || null,
    ip: field('ip'),
    via: field('via'),
  };
}

function fits({ fields }: Entry, { actor, action, target }: AuditQuery): boolean {
  return (
    (actor === undefined || fields.get('by') === actor) &&
    (action === undefined || fields.get('action') === action) &&
    (target === undefined || fields.get('target') === target)
  );
}
