import { type SignOptions, signToken, type TokenClaims } from '@unified-ws/server/auth/signToken';

/** JWT_SECRET of the nodes that `Cluster` starts. */
export const TEST_SECRET = 'secret-of-the-test-suites-0123456789abcdef';

export interface TokenOptions extends SignOptions {
  /** Default: `['user']`. */
  readonly roles?: readonly string[];
  readonly claims?: Partial<TokenClaims>;
  /** Default: TEST_SECRET. */
  readonly secret?: string;
}

/** An HS256 access token of `sub`, good for an hour. */
export function token(sub: string, options: TokenOptions = {}): string {
  const { roles = ['user'], claims, secret = TEST_SECRET, ...sign } = options;
  return signToken(secret, { sub, roles, ...claims }, sign);
}

export const adminToken = (sub = 'admin-1'): string => token(sub, { roles: ['admin'] });
