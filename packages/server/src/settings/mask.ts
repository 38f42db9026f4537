import { describeRedis, parseRedisUrl } from '../redis/redisUrl.js';
import type { Entry } from './table/entry.js';

const MASK = '***';

/**
 * Hides the password of a URL, also of a malformed one: everything between the user and the last `@`, and query parameters whose
 * names suggest a credential.
 */
export function maskUrl(value: string): string {
  return value
    .replace(
      /^([a-z][a-z0-9+.-]*:\/\/)?([^@:]*)(:?)(.*)@/is,
      (_, scheme: string | undefined, user: string, colon: string) =>
        // Without a colon the text may be a password instead of a user name.
        colon ? `${scheme ?? ''}${user}:${MASK}@` : `${scheme ?? ''}${MASK}@`,
    )
    .replace(/([?&][^=&]*(?:password|secret|token)[^=&]*=)[^&]*/gi, `$1${MASK}`);
}

const MAX_SHOWN = 120;

/** A value as people may see it: in messages, logs and `describeSettings`. */
export function shownValue(entry: Pick<Entry, 'secret'> & Partial<Pick<Entry, 'schema'>>, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => shownValue(entry, item));
  if (typeof value !== 'string') return value;
  if (entry.secret) return MASK;
  if (entry.schema?.format === 'redis-url') return describeRedis(parseRedisUrl(value));
  // A private key that was set here by mistake must not reach the log.
  if (value.includes('-----BEGIN')) return '(PEM text)';
  return maskUrl(value);
}

/** `shownValue` for a message: quoted, escaped and short. */
export function quotedValue({ secret }: Pick<Entry, 'secret'>, value: unknown): string {
  const shown = JSON.stringify(shownValue({ secret }, value)) ?? 'nothing';
  return shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}… (${shown.length} characters)` : shown;
}
