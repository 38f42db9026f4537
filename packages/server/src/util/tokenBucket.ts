/** Rounding tolerance: a sum of fractions may be slightly below a whole token. */
const ROUNDING = 1e-6;

/** Limits an amount (messages, bytes) per time. Holds no timer; times are monotonic milliseconds. */
export class TokenBucket {
  private readonly perMs: number;
  private readonly burst: number;
  private tokens: number;
  /** Full at the first use, whenever that is. */
  private at = Number.NEGATIVE_INFINITY;

  /** @param burst how many may be taken at once, at least 1. */
  constructor(perMs: number, burst: number) {
    this.perMs = perMs;
    this.burst = burst;
    this.tokens = burst;
  }

  /** False: there are not enough tokens, and none was taken. */
  take(now: number, amount = 1): boolean {
    this.refill(now);
    if (this.tokens < amount - ROUNDING) return false;
    this.tokens -= amount;
    return true;
  }

  /** Takes one even if there is none. @returns what is left; below 0: there was none. */
  charge(now: number): number {
    this.refill(now);
    this.tokens -= 1;
    return this.tokens;
  }

  /** Returns the last taken token. */
  giveBack(): void {
    this.tokens = Math.min(this.burst, this.tokens + 1);
  }

  isFull(now: number): boolean {
    this.refill(now);
    return this.tokens >= this.burst;
  }

  /** Milliseconds until `take` succeeds, 0 if it would succeed now. Rounded up, so that a timer does not fire too early. */
  retryAfterMs(now: number): number {
    this.refill(now);
    const missing = 1 - ROUNDING - this.tokens;
    return missing <= 0 ? 0 : Math.ceil(missing / this.perMs);
  }

  private refill(now: number): void {
    this.tokens = Math.min(this.burst, this.tokens + (now - this.at) * this.perMs);
    this.at = now;
  }
}
