import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** The one way to tell of a failure that has no caller left to throw to. `where` is a stable dotted name. */
export type Report = (error: unknown, where: string) => void;

/** Fields that could carry a credential are masked wherever they turn up. */
const REDACTED = ['token', 'authorization', 'headers.authorization', 'headers["sec-websocket-protocol"]', 'data.token'];

export function createLogger(level: string, nodeId: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { node: nodeId },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: REDACTED, censor: '[masked]' },
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination ? pino(options, destination) : pino(options);
}

/**
 * A `Report` that logs each failure and counts it. The same failure at the same place is logged at most once a second:
 * a Redis outage under load would otherwise write a line per command.
 */
export function createReport(logger: Logger, now: () => number, count: (where: string) => void): Report {
  const last = new Map<string, { at: number; suppressed: number }>();
  return (error, where) => {
    count(where);
    const text = error instanceof Error ? error.message : String(error);
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
