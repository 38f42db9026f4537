import { isIP } from 'node:net';
import { Ajv } from 'ajv';
import { parseRedisUrl, RedisUrlError } from '../redis/redisUrl.js';

function isRedisUrl(text: string): boolean {
  try {
    parseRedisUrl(text);
    return true;
  } catch (error) {
    if (!(error instanceof RedisUrlError)) throw error;
    return false; // `faultOf` says what is wrong; ajv cannot
  }
}

/** The fault of a value, if the format can name it without quoting the value; else null. */
export function faultOf(format: unknown, value: unknown): string | null {
  if (format !== 'redis-url' || typeof value !== 'string') return null;
  try {
    parseRedisUrl(value);
    return null;
  } catch (error) {
    if (!(error instanceof RedisUrlError)) throw error;
    return error.message;
  }
}

/** No user and password: `fetch` refuses such a URL, which would show only at the first token. */
function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

/** An origin as browsers send it: no path, no default port, lower case. Any other form never equals an Origin header. */
function isOrigin(text: string): boolean {
  if (text === '*' || text === 'same-host') return true;
  if (/^https?:/i.test(text)) return URL.canParse(text) && new URL(text).origin === text;
  return /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9._-]+(:\d{1,5})?$/.test(text);
}

/** The formats that `proxy-addr` accepts. */
function isProxy(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true;
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const family = isIP(match?.[1] ?? '');
  if (!match || family === 0) return false;
  // With a range of all addresses (/0) each client could choose the address that its limits are counted under.
  const bits = Number(match[2] ?? 1);
  return bits >= 1 && bits <= (family === 4 ? 32 : 128);
}

/** An ajv that knows the formats of the settings. */
export function settingsAjv(): Ajv {
  // The schema is part of the code: see util/compileSchema.ts.
  const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, meta: false, validateSchema: false });
  ajv.addFormat('redis-url', isRedisUrl);
  ajv.addFormat('http-url', isHttpUrl);
  ajv.addFormat('origin', isOrigin);
  ajv.addFormat('proxy', isProxy);
  return ajv;
}
