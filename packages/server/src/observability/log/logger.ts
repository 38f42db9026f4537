import { type DestinationStream, type Logger, pino } from 'pino';
import { errorRecord, messageOf } from './errorRecord.js';
import { Scrubber } from './scrubber.js';

export type { Logger } from 'pino';

/** Reports a failure that has no caller to be thrown to. `where` is a stable dotted name. */
export type Report = (error: unknown, where: string) => void;

/** Fields that could carry a credential. They are masked wherever they appear. */
const REDACTED = ['token', 'authorization', 'headers.authorization', 'headers["sec-websocket-protocol"]', 'data.token'];

export interface LoggerOptions {
  /** Passwords and keys that must not appear in the log, whatever field contains them. */
  readonly secrets?: readonly string[];
  /** Default: standard output. */
  readonly destination?: DestinationStream;
}

/**
 * The log: one JSON record per line. An error is shown only by its type, message, code, command name and stack, under whatever key it
 * was given. Every line also passes the scrubber, so that no other field can contain a secret.
 */
export function createLogger(level: string, nodeId: string, { secrets = [], destination }: LoggerOptions = {}): Logger {
  const scrubber = new Scrubber(secrets);
  const record = (thrown: unknown): unknown => errorRecord(thrown, (text) => scrubber.text(text));
  const options = {
    level,
    base: { node: nodeId },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: REDACTED, censor: '[masked]' },
    // The value is a record already. pino's own serializer would add all properties of an error.
    serializers: { err: (shown: unknown) => shown },
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => withoutErrors(fields, record),
    },
    hooks: { streamWrite: (line: string) => scrubber.line(line) },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** Replaces errors by records. `err` may be anything that was thrown. As JSON an error would show every property that a library added. */
function withoutErrors(fields: Record<string, unknown>, record: (thrown: unknown) => unknown): Record<string, unknown> {
  const isThrown = (key: string): boolean =>
    fields[key] instanceof Error || (key === 'err' && fields[key] !== undefined);
  for (const name in fields) {
    if (!isThrown(name)) continue;
    return Object.fromEntries(
      Object.entries(fields).map(([key, value]) => [key, isThrown(key) ? record(value) : value]),
    );
  }
  return fields;
}

/**
 * A `Report` that logs each failure and counts it. The same failure at the same place is logged at most once a second:
 * a Redis outage under load would otherwise write a line per command.
 */
export function createReport(logger: Logger, now: () => number, count: (where: string) => void): Report {
  const last = new Map<string, { at: number; suppressed: number }>();
  return (error, where) => {
    count(where);
    const text = messageOf(error);
    const key = `${where}\n${text}`;
    const seen = last.get(key);
    const at = now();
    if (seen && at - seen.at < 1000) {
      seen.suppressed += 1;
      return;
    }
    if (last.size > 1000) last.clear();
    last.set(key, { at, suppressed: 0 });
    logger.error({ err: error, where, suppressed: seen?.suppressed ?? 0 }, `${where}: ${text}`);
  };
}
