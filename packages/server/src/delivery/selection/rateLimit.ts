import { TokenBucket } from '../../util/tokenBucket.js';

/** The notice to a client whose limit held events back. */
export interface RateNotice {
  /** Until the next event may come. */
  readonly retry_after_ms: number;
  /** Ephemeral events dropped or replaced since the last notice. */
  readonly dropped: number;
}

/** A client is notified at most this often, milliseconds. */
const NOTICE_INTERVAL_MS = 1000;
/** Of a second's events a tenth may come at once. A whole second's worth would let twice the rate into one second. */
const BURST_PER_SECOND = 10;

/** `max_message_rate` of one connection. Holds no timer; times are monotonic milliseconds. */
export class RateLimit {
  /** Events per second. */
  readonly rate: number;
  private readonly bucket: TokenBucket;
  private dropped = 0;
  private held = false;
  private reportedAt = Number.NEGATIVE_INFINITY;

  constructor(rate: number) {
    this.rate = rate;
    this.bucket = new TokenBucket(rate / 1000, Math.max(1, Math.floor(rate / BURST_PER_SECOND)));
  }

  /** Takes a token for one event; false: not now. */
  take(now: number): boolean {
    if (this.bucket.take(now)) return true;
    this.held = true;
    return false;
  }

  /** Milliseconds until `take` will succeed; 0 when it would now. */
  retryAfterMs(now: number): number {
    return this.bucket.retryAfterMs(now);
  }

  /** Ephemeral events did not get through. */
  drop(count = 1): void {
    this.dropped += count;
    this.held = true;
  }

  /** Whether a notice is due, and from when it may be sent, monotonic ms. */
  get noticeAt(): number | null {
    return this.held ? this.reportedAt + NOTICE_INTERVAL_MS : null;
  }

  /** The notice to send now: once a second at most, and only after an event was held back or dropped. */
  notice(now: number): RateNotice | null {
    if (!this.held || now - this.reportedAt < NOTICE_INTERVAL_MS) return null;
    const notice = { retry_after_ms: this.retryAfterMs(now), dropped: this.dropped };
    this.reportedAt = now;
    this.held = false;
    this.dropped = 0;
    return notice;
  }
}
