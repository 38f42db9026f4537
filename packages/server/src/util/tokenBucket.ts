/** A token less this is a token: sums of fractions are never quite whole. */
const ROUNDING = 1e-6;

/** So many things, or bytes, in a time. Holds no timer; times are monotonic milliseconds. */
export class TokenBucket {
  private readonly perMs: number;
  private readonly burst: number;
  private tokens: number;
  /** Full at the beginning, whenever that is. */
  private at = Number.NEGATIVE_INFINITY;

  /** @param burst how many may come at once, at least 1. */
  constructor(perMs: number, burst: number) {
    this.perMs = perMs;
    this.burst = burst;
    this.tokens = burst;
  }

  /** False: not now, and nothing was taken. */
  take(now: number, amount = 1): boolean {
    this.refill(now);
    if (this.tokens < amount - ROUNDING) return false;
    this.tokens -= amount;
    return true;
  }

  /** Takes one in any case. @returns what is left; below 0: there was none. */
  charge(now: number): number {
    this.refill(now);
    this.tokens -= 1;
    return this.tokens;
  }

  /** What was taken for another comes back. */
  giveBack(): void {
    this.tokens = Math.min(this.burst, this.tokens + 1);
  }

  isFull(now: number): boolean {
    this.refill(now);
    return this.tokens >= this.burst;
  }

  /** Milliseconds until `take` will succeed, 0 when it would now. Whole and rounded up, so that a timer is not too early. */
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
