import type { Environment } from './environment.js';
import { backoffMs, earliestAttempt, withAttempt } from './reconnectPolicy.js';

/** Decides when the next attempt is made, and makes it. */
export interface Retries {
  /** When the next attempt is due, milliseconds since 1970; null: none is planned. */
  readonly retryAt: number | null;
  /** Attempts since the last stable connection. */
  readonly count: number;
  /** After a failure: backoff, and not before what the server asked for, milliseconds from now. */
  fail(hint: number): void;
  /** After a delay that the server chose. */
  comeBack(hint: number): void;
  /** As soon as what the server asked for, and the bounds, allow it. */
  hurry(): void;
  /** An attempt reaches for the network, or gave up before that. */
  opened(): void;
  /** The last connection was stable, or a person asks: backoff begins anew. The bounds stay. */
  reset(): void;
  cancel(): void;
}

export function createRetries(environment: Environment, dial: () => void): Retries {
  /** Monotonic times. */
  let attempts: readonly number[] = [];
  let failures = 0;
  let count = 0;
  /** The server asked not to come before this, monotonic ms. */
  let notBefore = 0;
  let retryAt: number | null = null;
  let cancelTimer: (() => void) | null = null;

  const untilAllowed = (): number => earliestAttempt(attempts, environment.isHidden()) - environment.now();

  const cancel = (): void => {
    cancelTimer?.();
    retryAt = null;
  };

  const plan = (ms: number): void => {
    const wait = Math.max(0, ms, untilAllowed());
    cancel();
    retryAt = environment.wallNow() + wait;
    cancelTimer = environment.setTimer(wait, () => {
      // The page may have been hidden meanwhile, and timers may be early.
      if (untilAllowed() > 0) return plan(0);
      retryAt = null;
      count += 1;
      dial();
    });
  };

  const comeBack = (hint: number, ms = hint): void => {
    notBefore = environment.now() + hint;
    plan(ms);
  };

  return {
    get retryAt() {
      return retryAt;
    },
    get count() {
      return count;
    },
    fail(hint) {
      comeBack(hint, Math.max(hint, backoffMs(failures, environment.random())));
      failures += 1;
    },
    comeBack: (hint) => comeBack(hint),
    hurry: () => plan(notBefore - environment.now()),
    opened() {
      attempts = withAttempt(attempts, environment.now());
    },
    reset() {
      failures = 0;
      count = 0;
    },
    cancel,
  };
}
