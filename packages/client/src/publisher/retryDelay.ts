const FIRST_MS = 100;
const MOST_MS = 30_000;
/** A longer hint is cut: a wrong clock in a proxy must not silence a publisher for a day. */
const MOST_HINT_MS = 300_000;
/** The share that is added to a hint by chance, so that publishers who were refused together do not come back together. */
const HINT_JITTER = 0.25;

/**
 * Time before the next attempt, in ms: what the server asked for, and never less; without a hint exponential with full jitter.
 *
 * @param failures in a row, from 1.
 */
export function retryDelay(failures: number, hintMs: number | null, random: () => number = Math.random): number {
  if (hintMs !== null) return Math.min(hintMs, MOST_HINT_MS) * (1 + HINT_JITTER * random());
  return Math.min(MOST_MS, FIRST_MS * 2 ** (failures - 1)) * random();
}

/** `Retry-After` in ms: seconds, or an HTTP date. Null: none that can be read. */
export function retryAfterMs(header: string | null, now: number = Date.now()): number | null {
  const text = header?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = /[A-Za-z]/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}
