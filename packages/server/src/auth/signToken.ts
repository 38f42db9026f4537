import { KeyObject } from 'node:crypto';
import jwt from 'jsonwebtoken';
import type { Algorithm } from './algorithms.js';
import { secretKey } from './keyRing.js';

/** The claims that the server reads, and any other. `iat` and `exp` are filled in when absent. */
export interface TokenClaims {
  readonly sub: string;
  readonly username?: string;
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
  readonly sid?: string;
  readonly jti?: string;
  readonly iat?: number;
  readonly exp?: number;
  readonly [claim: string]: unknown;
}

export interface SignOptions {
  /** Default: HS256. */
  readonly algorithm?: Algorithm;
  /** Lifetime of the token in seconds; default: 3600. A claim `exp` takes precedence. */
  readonly lifetimeS?: number;
  readonly issuer?: string | null;
  readonly audience?: string | readonly string[];
  /** The `kid` of the header, for issuers with a key set. */
  readonly keyId?: string;
  /** Now, in seconds since the epoch; default: the wall clock. */
  readonly nowS?: number;
}

/**
 * Signs an access token, for `npm run token`, examples and tests. The node itself signs no token.
 *
 * @param secret the first of `JWT_SECRET`, or a private key for the RS, PS and ES algorithms.
 */
export function signToken(secret: string | KeyObject, claims: TokenClaims, options: SignOptions = {}): string {
  const iat = claims.iat ?? options.nowS ?? Math.floor(Date.now() / 1000);
  const { issuer, audience } = options;
  const payload = {
    ...(issuer ? { iss: issuer } : {}),
    ...(audience === undefined || audience.length === 0 ? {} : { aud: audience }),
    exp: iat + (options.lifetimeS ?? 3600),
    ...claims,
    iat,
  };
  return jwt.sign(payload, secret instanceof KeyObject ? secret : secretKey(secret), {
    algorithm: options.algorithm ?? 'HS256',
    ...(options.keyId === undefined ? {} : { keyid: options.keyId }),
  });
}
