import { createHmac, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Stop } from './entry.mjs';
import { dataDir } from './paths.mjs';

const HASH = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' };
const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 };

/** The development secret of this checkout, made at the first call. Only for processes on this machine. */
export function devSecret() {
  const file = path.join(dataDir, 'jwt-secret');
  fs.mkdirSync(dataDir, { recursive: true });
  try {
    // wx: of two scripts that start at once, one writes and both read the same.
    fs.writeFileSync(file, randomBytes(48).toString('base64url'), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  return fs.readFileSync(file, 'utf8');
}

/** `90s`, `30m`, `12h`, `7d` or plain seconds, as seconds. */
export function parseLifetime(text) {
  const [, count, unit] = /^(\d+)([smhd]?)$/.exec(text) ?? [];
  if (!count) throw new Stop(`Not a lifetime: ${text}. Use for example 90s, 30m, 12h or 7d.`);
  return Number(count) * UNIT_SECONDS[unit || 's'];
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * Signs a token with JWT_SECRET (of `new,old` the first), else with the development secret, for the issuer, audience
 * and algorithm that the environment names.
 */
export function signToken({ lifetime, ...claims }, env = process.env) {
  const alg = (list(env.JWT_ALGORITHMS) ?? ['HS256']).find((name) => HASH[name]);
  if (!alg) throw new Stop(`JWT_ALGORITHMS=${env.JWT_ALGORITHMS} has no HS algorithm: only those can be signed here.`);
  const [secret] = list(env.JWT_SECRET) ?? [devSecret()];
  const iat = Math.floor(Date.now() / 1000);
  const aud = list(env.JWT_AUDIENCE);
  const common = { iat, exp: iat + lifetime, iss: env.JWT_ISSUER?.trim() || undefined, aud };
  const signed = `${encode({ alg, typ: 'JWT' })}.${encode({ ...claims, ...common })}`;
  return `${signed}.${createHmac(HASH[alg], secret).update(signed).digest('base64url')}`;
}

/** The items of a list setting as the node reads it; undefined when it is not set. */
function list(text) {
  const items = (text ?? '').split(',').map((item) => item.trim());
  const given = items.filter((item) => item !== '');
  return given.length > 0 ? given : undefined;
}
