import { type AuditPage, type AuditQuery, type AuditRecordView, DEFAULT_AUDIT_PAGE } from '@unified-ws/protocol';
import { AppError } from '../errors.js';
import { parseTime } from '../events/time.js';
import type { Report } from '../observability/logger.js';
import type { RedisClient } from '../redis/connect.js';
import type { Keys } from '../redis/keys.js';

/** Records read at once: Redis is busy for well below a millisecond. */
const READ_AT_ONCE = 500;
/** Records that one request looks through at most; a filter that nothing matches is answered by a short page and a cursor. */
const MAX_LOOKED_AT = 5000;
/** Of either number of a stream's id. */
const MAX_ID_PART = 2n ** 64n - 1n;

/** What admins did, for reading. */
export class AuditLog {
  private readonly redis: RedisClient;
  private readonly keys: Keys;
  private readonly report: Report;

  constructor(parts: { redis: RedisClient; keys: Keys; report: Report }) {
    this.redis = parts.redis;
    this.keys = parts.keys;
    this.report = parts.report;
  }

  /** @throws AppError VALIDATION_ERROR for a `since` that is no time or a cursor that is none, UNAVAILABLE when Redis does not answer. */
  async page(query: AuditQuery): Promise<AuditPage> {
    const { limit = DEFAULT_AUDIT_PAGE } = query;
    const oldest = oldestId(query.since);
    if (query.cursor !== undefined && !isEntry(query.cursor)) throw invalid('cursor', 'is no cursor of a page');
    const records: AuditRecordView[] = [];
    let cursor = query.cursor ?? null;
    for (let looked = 0; looked < MAX_LOOKED_AT; looked += READ_AT_ONCE) {
      const entries = await this.read(cursor === null ? '+' : `(${cursor}`, oldest);
      for (const [id, fields] of entries) {
        cursor = id;
        const record = recordOf(id, fields);
        if (!fits(record, query)) continue;
        records.push(record);
        if (records.length === limit) return { records, next_cursor: cursor };
      }
      if (entries.length < READ_AT_ONCE) return { records, next_cursor: null };
    }
    return { records, next_cursor: cursor };
  }

  private async read(newest: string, oldest: string): Promise<[id: string, fields: string[]][]> {
    try {
      return await this.redis.xrevrange(this.keys.audit(), newest, oldest, 'COUNT', READ_AT_ONCE);
    } catch (error) {
      this.report(error, 'operations.audit');
      throw new AppError('UNAVAILABLE', 'The audit record does not answer, try again.', { cause: error });
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

/** Ids that Redis does not take were answered as if it were away: beyond 64 bits, or with nothing before them. */
function isEntry(cursor: string): boolean {
  const [ms = 0n, number = 0n] = cursor.split('-').map(BigInt);
  return ms <= MAX_ID_PART && number <= MAX_ID_PART && ms + number > 0n;
}

function invalid(name: string, message: string): AppError {
  const errors = [{ path: `/${name}`, message }];
  return new AppError('VALIDATION_ERROR', `The query is not valid: /${name} ${message}.`, { details: { errors } });
}

function recordOf(id: string, fields: readonly string[]): AuditRecordView {
  const stored = new Map<string, string>();
  for (let index = 0; index + 1 < fields.length; index += 2) stored.set(fields[index] ?? '', fields[index + 1] ?? '');
  const field = (name: string): string => stored.get(name) ?? '';
  return {
    id,
    at: field('at'),
    actor: field('by'),
    action: field('action'),
    target: field('target'),
    reason: field('reason'),
    result: field('result'),
    ip: field('ip'),
    via: field('via'),
  };
}

function fits(record: AuditRecordView, { actor, action, target }: AuditQuery): boolean {
  return (
    (actor === undefined || record.actor === actor) &&
    (action === undefined || record.action === action) &&
    (target === undefined || record.target === target)
  );
}
