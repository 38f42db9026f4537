import { TIME_PATTERN } from '@unified-ws/protocol';

const SHAPE = new RegExp(TIME_PATTERN);

/**
 * Wall-clock ms of an RFC 3339 time with a zone; null for any other text. `Date.parse` alone accepts 30 February as 1 March, and
 * hour 24 as the next day.
 */
export function parseTime(text: string): number | null {
  if (!SHAPE.test(text)) return null;
  const upper = text.toUpperCase();
  const [year, month, day] = upper.slice(0, 10).split('-').map(Number) as [number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day));
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || upper.slice(11, 13) === '24') return null;
  const at = Date.parse(upper);
  return Number.isNaN(at) ? null : at;
}
