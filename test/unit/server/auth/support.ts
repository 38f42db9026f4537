import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Algorithm } from '@unified-ws/server/auth/algorithms';
import { ALGORITHMS } from '@unified-ws/server/auth/algorithms';
import { StaticKeys, secretKey } from '@unified-ws/server/auth/keyRing';
import type { KeySource } from '@unified-ws/server/auth/keySource';
import { type AuthReason, type Identity, TokenVerifier } from '@unified-ws/server/auth/tokenVerifier';
import { AppError } from '@unified-ws/server/util/appError';
import { expect } from 'chai';

export const SECRET = 'a-secret-of-the-tests-with-32-bytes-or-more';
/** 2026-01-01T00:00:00Z; the tests' now, so that no test depends on the day. */
export const NOW_S = 1_767_225_600;

export const clock = { now: () => NOW_S * 1000, mono: () => 0 };

export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const ec256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });

export function encode(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** A token with any header and payload: signToken refuses to make what an attacker makes. */
export function forge(header: unknown, payload: unknown, key: string | Buffer = SECRET): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`;
}

export function claims(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return { sub: 'user-1', iat: NOW_S, exp: NOW_S + 600, ...changes };
}

/** An HS256 token with these claims and no others. */
export function tokenOf(payload: unknown): string {
  return forge({ alg: 'HS256', typ: 'JWT' }, payload);
}

export interface VerifierOptions {
  issuer?: string;
  audience?: string[];
  keys?: KeySource;
}

export function staticKeys(keys: (string | KeyObject)[], allowed: readonly Algorithm[] = ALGORITHMS): StaticKeys {
  return new StaticKeys(
    keys.map((key) => (typeof key === 'string' ? secretKey(key) : key)),
    allowed,
  );
}

export function verifierOf({ keys = staticKeys([SECRET]), ...rules }: VerifierOptions = {}): TokenVerifier {
  return new TokenVerifier(keys, { clock, ...rules });
}

/** Verifies where no promise is allowed. */
export function verifyNow(token: string, options: VerifierOptions = {}): Identity {
  const identity = verifierOf(options).verify(token);
  if (identity instanceof Promise) throw new Error('a promise on the path of static keys');
  return identity;
}

/** How the token is refused. */
export async function refusal(verify: () => unknown): Promise<AppError> {
  try {
    await verify();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('the token was accepted');
}

export async function expectReason(token: string, reason: AuthReason, options: VerifierOptions = {}): Promise<void> {
  const error = await refusal(() => verifierOf(options).verify(token));
  expect(error.details?.reason, token.slice(0, 80)).to.equal(reason);
}
