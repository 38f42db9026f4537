import type { Clock } from '../clock.js';
import type { Logger, Report } from '../observability/logger.js';
import type { RedisClient } from '../redis/connect.js';
import type { Keys } from '../redis/keys.js';

/** Who does something, and from where. */
export interface Actor {
  readonly userId: string;
  readonly ip: string;
  readonly via: 'websocket' | 'rest';
}

export interface AuditRecord {
  readonly action: string;
  readonly target: string;
  readonly reason: string;
  readonly result: string;
}

/** Records kept. */
const MAX_RECORDS = 100_000;

export interface AuditParts {
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly report: Report;
  /** LOG_ADDRESSES, for the line in the log; the stream keeps the address as it is. */
  readonly shownAddress: (ip: string) => string | undefined;
}

/** What admins did: a stream in Redis, and a line in the log in case Redis is away. */
export class Audit {
  private readonly redis: RedisClient;
  private readonly keys: Keys;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly report: Report;
  private readonly shownAddress: AuditParts['shownAddress'];

  constructor(parts: AuditParts) {
    this.redis = parts.redis;
    this.keys = parts.keys;
    this.clock = parts.clock;
    this.logger = parts.logger;
    this.report = parts.report;
    this.shownAddress = parts.shownAddress;
  }

  /** The action has happened: its answer does not wait for the record, and a record that Redis did not take is reported. */
  write(actor: Actor, record: AuditRecord): void {
    const at = new Date(this.clock.now()).toISOString();
    this.logger.info(
      { audit: { ...record, by: actor.userId, ip: this.shownAddress(actor.ip), via: actor.via } },
      `audit: ${record.action}`,
    );
    const fields = { at, by: actor.userId, ip: actor.ip, via: actor.via, ...record };
    this.redis
      .xadd(this.keys.audit(), 'MAXLEN', '~', MAX_RECORDS, '*', ...Object.entries(fields).flat())
      .catch((error: unknown) => this.report(error, 'operations.audit'));
  }
}
