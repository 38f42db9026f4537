import { createHmac } from 'node:crypto';
import { given } from './target.js';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Any header and payload, signed with HMAC-SHA-256: no library makes what an attacker makes. */
export function signed(header: unknown, payload: unknown, secret: string): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

export const nowS = (): number => Math.floor(Date.now() / 1000);

/** A token of `sub`, good for ten minutes unless the claims say otherwise; a claim that is undefined is left out. */
export function token(sub: string, claims: Readonly<Record<string, unknown>> = {}, secret = given('secret')): string {
  if (secret === null) throw new Error('this test needs CONFORMANCE_JWT_SECRET');
  const iat = nowS();
  const common = { iat, exp: iat + 600, iss: given('issuer') ?? undefined, aud: given('audience') ?? undefined };
  return signed({ alg: 'HS256', typ: 'JWT' }, { sub, roles: ['user'], ...common, ...claims }, secret);
}
