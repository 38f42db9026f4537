import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../observability/log/logger.js';

const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 2000;

/** No repeat mends it: somebody has to change something first. */
export class Unmendable extends Error {}

export interface PersistOptions {
  /** Where a failure is reported. */
  readonly where: string;
  readonly report: Report;
  /** Ends the waiting and the tries. */
  readonly signal: AbortSignal;
}

/**
 * Takes a step until it succeeds, with pauses from 100 ms to 2 s; each failure is reported. A step that fails leaves nothing
 * behind: a link to Redis that breaks while a node starts must not end the node, which would have waited for Redis for ever.
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

/** As `work`, but fails with the signal's reason as soon as it is aborted; what `work` says then is of no interest. */
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
