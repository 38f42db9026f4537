import type { TestTokenOptions } from './testOptions.js';

/** What a token says. */
export interface TestIdentity {
  readonly userId: string;
  readonly username: string | null;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

const DEFAULT_LIFETIME_S = 3600;
/** A token of the test server has a number there instead of a signature, so that each is another one. */
const TOKEN = /^[\w-]+\.([\w-]+)\.[\w-]+$/;
let made = 0;

/** An unsigned JSON Web Token. */
export function testToken(userId: string, options: TestTokenOptions = {}): string {
  const { lifetimeS = DEFAULT_LIFETIME_S, roles = ['user'], permissions = ['events:receive'], username } = options;
  made += 1;
  const claims = { sub: userId, roles, permissions, username, exp: Math.floor(Date.now() / 1000) + lifetimeS };
  return `${encoded({ alg: 'none', typ: 'JWT' })}.${encoded(claims)}.${made}`;
}

/** Null: it is no token. Any JSON Web Token is one; nobody checks a signature. */
export function readTestToken(token: string): TestIdentity | null {
  const [, payload] = TOKEN.exec(token) ?? [];
  if (payload === undefined) return null;
  const claims = decoded(payload);
  const { sub, exp, username, roles, permissions } = claims;
  if (typeof sub !== 'string' || typeof exp !== 'number') return null;
  return {
    userId: sub,
    username: typeof username === 'string' ? username : null,
    roles: texts(roles) ?? ['user'],
    permissions: texts(permissions) ?? ['events:receive'],
    expiresAt: exp * 1000,
  };
}

function texts(value: unknown): string[] | null {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : null;
}

/** base64url of the UTF-8: every environment of unit tests has btoa, not every one has TextEncoder. */
function encoded(value: object): string {
  const bytes = encodeURIComponent(JSON.stringify(value)).replace(/%(..)/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

function decoded(text: string): Readonly<Record<string, unknown>> {
  try {
    const bytes = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    const escaped = [...bytes].map((byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
    const value: unknown = JSON.parse(decodeURIComponent(escaped));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch (error) {
    // Rubbish is no token.
    if (error instanceof Error || error instanceof DOMException) return {};
    throw error;
  }
}
