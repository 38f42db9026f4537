import type { Environment } from './environment.js';
import { UnifiedError } from './errors.js';

/** Why a token is asked for. `initial`: the first one. `expiring`: the present one ends soon. `refused`: the server refused it. */
export type TokenReason = 'initial' | 'expiring' | 'refused';

/**
 * Returns an access token of the user.
 *
 * @throws UnauthorizedError when the user must log in again: the client stops. After any other error it asks again.
 */
export type GetToken = (request: { readonly reason: TokenReason }) => string | Promise<string>;

/** Keeps the token of the user. One question at a time. */
export interface Tokens {
  /** @throws what `isUnauthorized` tells, or UnifiedError TOKEN_UNAVAILABLE. */
  get(): Promise<string>;
  /** The present one is of no more use: the next `get` asks for another one. */
  forget(reason: TokenReason): void;
}

/** What a subprotocol may carry. A WebSocket quotes anything else in its error, and so the token in a log. */
const TOKEN = /^[\w.~+-]{1,8192}$/;

/** By its name: the error may come from another copy of this package. */
export const isUnauthorized = (error: unknown): boolean => error instanceof Error && error.name === 'UnauthorizedError';

export function createTokens(getToken: GetToken, environment: Environment, timeoutMs: number): Tokens {
  let token: string | null = null;
  let reason: TokenReason = 'initial';
  let asking: Promise<string> | null = null;

  const ask = async (): Promise<string> => {
    let cancel: (() => void) | undefined;
    try {
      const late = new Promise<undefined>((resolve) => {
        cancel = environment.setTimer(timeoutMs, () => resolve(undefined));
      });
      const given: unknown = await Promise.race([getToken({ reason }), late]);
      if (typeof given !== 'string' || !TOKEN.test(given)) throw new TypeError('no token');
      token = given;
      return given;
    } catch (cause) {
      if (isUnauthorized(cause)) throw cause;
      throw new UnifiedError('TOKEN_UNAVAILABLE', 'getToken gave no token.', { cause });
    } finally {
      cancel?.();
    }
  };

  return {
    async get() {
      if (token !== null) return token;
      asking ??= ask().finally(() => {
        asking = null;
      });
      return asking;
    },
    forget(why) {
      token = null;
      reason = why;
    },
  };
}
