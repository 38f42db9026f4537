/** What a client is told when its limit held events back. */
export interface RateNotice {
  /** Until the next event may come. */
  readonly retry_after_ms: number;
  /** Ephemeral events dropped or replaced since the last notice. */
  readonly dropped: number;
}

/** A client is told at most this often, milliseconds. */
const NOTICE_INTERVAL_MS = 1000;
/** Of a second's events, how many may come at once. A whole second's worth would let twice the rate into one second. */
const BURST_PER_SECOND = 10;
/** A token less this is a token: sums of fractions are never quite whole. */
const ROUNDING = 1e-6;

/** `max_message_rate` of one connection: a token bucket. Holds no timer; times are monotonic milliseconds. */
export class RateLimit {
  /** Events per second. */
  readonly rate: number;
  private readonly burst: number;
  private tokens: number;
  private at: number;
  private dropped = 0;
  private held = false;
  private toldAt = Number.NEGATIVE_INFINITY;

  constructor(rate: number, now: number) {
    this.rate = rate;
    this.burst = Math.max(1, Math.floor(rate / BURST_PER_SECOND));
    this.tokens = this.burst;
    this.at = now;
  }

  /** Takes the leave for one event; false: not now. */
  take(now: number): boolean {
    this.refill(now);
    if (this.tokens < 1 - ROUNDING) {
      this.held = true;
      return false;
    }
    this.tokens -= 1;
    return true;
  }

  /** Milliseconds until `take` will succeed; 0 when it would now. Whole and rounded up, so that a timer is not too early. */
  retryAfterMs(now: number): number {
    this.refill(now);
    const missing = 1 - ROUNDING - this.tokens;
    return missing <= 0 ? 0 : Math.ceil((missing * 1000) / this.rate);
  }

  /** Ephemeral events did not get through. */
  drop(count = 1): void {
    this.dropped += count;
    this.held = true;
  }

  /** What the client is to be told now: once a second at most, and only after something was held back or dropped. */
  notice(now: number): RateNotice | null {
    if (!this.held || now - this.toldAt < NOTICE_INTERVAL_MS) return null;
    const notice = { retry_after_ms: this.retryAfterMs(now), dropped: this.dropped };
    this.toldAt = now;
    this.held = false;
    this.dropped = 0;
    return notice;
  }

  private refill(now: number): void {
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.at) * this.rate) / 1000);
    this.at = now;
  }
}
