/** Timers take at most 2³¹ - 1 ms, and end at once for more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A time for `setTimeout`. */
export const timerMs = (ms: number): number => Math.min(Math.ceil(ms), MAX_TIMER_MS);

/** One sleep at a time, which can be ended early. */
export class Sleeper {
  /** Ends the sleep, if there is one. */
  wake: () => void = () => undefined;

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timerMs(ms));
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
