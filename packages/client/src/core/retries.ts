import type { Environment } from './environment.js';
import { backoffMs, earliestAttempt, withAttempt } from './reconnectPolicy.js';

/** Decides when the next attempt is made, and makes it. */
export class Retries {
  private readonly environment: Environment;
  private readonly dial: () => void;
  /** Monotonic times. */
  private attempts: readonly number[] = [];
  private failures = 0;
  /** The server asked not to come before this, monotonic ms. */
  private notBefore = Number.NEGATIVE_INFINITY;
  private cancelTimer: (() => void) | null = null;
  /** When the next attempt is due, milliseconds since 1970; null: none is planned. */
  retryAt: number | null = null;
  /** Attempts since the last stable connection. */
  count = 0;

  constructor(environment: Environment, dial: () => void) {
    this.environment = environment;
    this.dial = dial;
  }

  /** After a failure: backoff, and not before what the server asked for, milliseconds from now. */
  fail(hint: number): void {
    const { environment } = this;
    this.notBefore = environment.now() + hint;
    this.plan(Math.max(hint, backoffMs(this.failures, environment.random())));
    this.failures += 1;
  }

  /** After a delay that the server chose. */
  comeBack(hint: number): void {
    this.notBefore = this.environment.now() + hint;
    this.plan(hint);
  }

  /** As soon as what the server asked for, and the bounds, allow it. */
  hurry(): void {
    this.plan(Math.max(0, this.notBefore - this.environment.now()));
  }

  private plan(ms: number): void {
    const { environment } = this;
    const now = environment.now();
    const wait = Math.max(ms, earliestAttempt(this.attempts, environment.isHidden()) - now);
    this.cancelTimer?.();
    this.retryAt = environment.wallNow() + Math.max(0, wait);
    this.cancelTimer = environment.setTimer(Math.max(0, wait), () => this.due());
  }

  /** The page may have been hidden meanwhile, and timers may be early. */
  private due(): void {
    const { environment } = this;
    if (earliestAttempt(this.attempts, environment.isHidden()) > environment.now()) {
      this.plan(0);
      return;
    }
    this.cancel();
    this.count += 1;
    this.dial();
  }

  /** An attempt reaches for the network, or gave up before that. */
  opened(): void {
    this.attempts = withAttempt(this.attempts, this.environment.now());
  }

  /** The last connection was stable, or a person asked for another one: backoff begins anew. The bounds stay. */
  reset(): void {
    this.failures = 0;
    this.count = 0;
  }

  cancel(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
    this.retryAt = null;
  }
}
