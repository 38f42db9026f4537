import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../observability/log/logger.js';

const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 2000;

/** Retrying does not help: an operator has to change something first. */
export class Unmendable extends Error {}

export interface PersistOptions {
  /** Where a failure is reported. */
  readonly where: string;
  readonly report: Report;
  /** Ends the waiting and the retries. */
  readonly signal: AbortSignal;
}

/**
 * Repeats a step until it succeeds, with pauses from 100 ms to 2 s; each failure is reported. A failed step must leave nothing
 * behind. A link to Redis that breaks while a node starts must not end the node: the node would also have waited for a Redis that is down.
 *
 * @throws Unmendable at once, and the signal's reason when it is aborted, whatever the step does then.
 */
export async function persist<T>(step: () => Promise<T>, { where, report, signal }: PersistOptions): Promise<T> {
  for (let pause = PAUSE_MIN_MS; ; pause = Math.min(PAUSE_MAX_MS, pause * 2)) {
    signal.throwIfAborted();
    try {
      return await unlessAborted(step(), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Unmendable) throw error;
      report(error, where);
    }
    try {
      await sleep(pause, undefined, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }
}

/** Like `work`, but rejects with the signal's reason as soon as it is aborted; the result of `work` is then ignored. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
