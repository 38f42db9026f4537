import { setTimeout as sleep } from 'node:timers/promises';

export interface UntilOptions {
  /** Default 5,000. */
  readonly timeoutMs?: number;
  /** What is awaited, for the error's text. A function is called when time is up. */
  readonly what: string | (() => string);
  /** Time between two checks. Default 5 ms. */
  readonly everyMs?: number;
}

/**
 * Resolves with the first value of `condition` that is neither false, null nor undefined.
 *
 * @throws Error naming `what` if it takes longer than `timeoutMs`.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 5000, what, everyMs = 5 }: UntilOptions,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== null && value !== undefined) {
      return value as Exclude<T, false | null | undefined>;
    }
    if (performance.now() >= deadline) {
      throw new Error(`not within ${timeoutMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
    await sleep(everyMs);
  }
}

/** As `promise`, but fails if it takes longer than `timeoutMs`. */
export async function within<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${timeoutMs} ms: ${what}`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
