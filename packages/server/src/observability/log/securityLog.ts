import type { Logger } from './logger.js';

/** Kinds of records. Each kind has its own rate, so that a flood of one does not push out the others. */
export type SecurityEvent =
  | 'connect'
  | 'close'
  /** Close of a connection that had not authenticated. */
  | 'close_unauthenticated'
  | 'replaced'
  | 'token_refused'
  | 'grant_refused'
  | 'order_refused'
  | 'upgrade_refused';

/** `websocket`, `rest`, or the name of another frame format. */
export type Via = string;

export interface SecurityFacts {
  /** From a fixed list, or a close code: omitted records are counted by reason. */
  readonly reason: string;
  readonly via: Via;
  /** Client address, as the node sees it. */
  readonly ip: string;
  readonly [fact: string]: unknown;
}

export interface SecurityLogParts {
  readonly logger: Logger;
  readonly clock: { mono(): number };
  /** SECURITY_LOG_RATE: records per second and kind; ten times as many at once. */
  readonly rate: number;
  /** LOG_ADDRESSES: the address in the form that may be logged; undefined: not at all. */
  readonly shownAddress: (ip: string) => string | undefined;
}

/** Number of records that a kind may write at once, in seconds of its rate. */
const BURST_S = 10;
/** How often omitted records are reported, ms. */
const TELL_MS = 10_000;

interface Kind {
  left: number;
  at: number;
  omitted: number;
  reportedAt: number;
  readonly reasons: Map<string, number>;
}

/**
 * Records of connects, closes, replacements and refusals, at level info, for finding forged, replayed and stolen tokens. Limited in
 * rate; omitted records are counted by kind and reason, and the counts are logged.
 */
export class SecurityLog {
  private readonly parts: SecurityLogParts;
  private readonly kinds = new Map<SecurityEvent, Kind>();

  constructor(parts: SecurityLogParts) {
    this.parts = parts;
  }

  record(event: SecurityEvent, { ip, ...facts }: SecurityFacts): void {
    const { logger, shownAddress } = this.parts;
    if (!logger.isLevelEnabled('info')) return;
    if (!this.take(event, facts.reason)) return;
    logger.info({ security: { event, ...facts, ip: shownAddress(ip) } }, `security: ${event}`);
  }

  /** Call each second: omitted records are reported even if no more of their kind occur. */
  tick(): void {
    const now = this.parts.clock.mono();
    for (const [event, kind] of this.kinds) if (now - kind.reportedAt >= TELL_MS) this.tell(event, kind, now);
  }

  /** Call at the end. */
  flush(): void {
    for (const [event, kind] of this.kinds) this.tell(event, kind, this.parts.clock.mono());
  }

  private take(event: SecurityEvent, reason: string): boolean {
    const { clock, rate } = this.parts;
    const now = clock.mono();
    let kind = this.kinds.get(event);
    if (!kind) {
      kind = { left: rate * BURST_S, at: now, omitted: 0, reportedAt: now, reasons: new Map() };
      this.kinds.set(event, kind);
    }
    kind.left = Math.min(rate * BURST_S, kind.left + ((now - kind.at) / 1000) * rate);
    kind.at = now;
    if (kind.left >= 1) {
      kind.left -= 1;
      return true;
    }
    if (kind.omitted === 0) kind.reportedAt = now;
    kind.omitted += 1;
    kind.reasons.set(reason, (kind.reasons.get(reason) ?? 0) + 1);
    return false;
  }

  private tell(event: SecurityEvent, kind: Kind, now: number): void {
    if (kind.omitted === 0) return;
    const { omitted } = kind;
    const reasons = Object.fromEntries(kind.reasons);
    kind.omitted = 0;
    kind.reportedAt = now;
    kind.reasons.clear();
    this.parts.logger.info({ security: { event: 'left_out', of: event, omitted, reasons } }, 'security: left out');
  }
}
