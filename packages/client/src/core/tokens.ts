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

/** What a subprotocol may carry. A WebSocket quotes anything else in its error, and so the token in a log. */
const TOKEN = /^[\w.~+-]{1,8192}$/;

/** Keeps the token of the user, and asks for another one when it must. One question at a time. */
export class Tokens {
  private token: string | null = null;
  private reason: TokenReason = 'initial';
  private asking: Promise<string> | null = null;
  private readonly getToken: GetToken;
  private readonly environment: Environment;
  private readonly timeoutMs: number;

  constructor(getToken: GetToken, environment: Environment, timeoutMs: number) {
    this.getToken = getToken;
    this.environment = environment;
    this.timeoutMs = timeoutMs;
  }

  /** @throws UnauthorizedError, or UnifiedError TOKEN_UNAVAILABLE. */
  get(): Promise<string> {
    return this.token === null ? this.ask() : Promise.resolve(this.token);
  }

  /** A token in the place of the present one. @throws as `get`. */
  renew(reason: TokenReason): Promise<string> {
    this.token = null;
    this.reason = reason;
    return this.ask();
  }

  /** The server refused it: the next `get` asks for another one. */
  refuse(): void {
    this.token = null;
    this.reason = 'refused';
  }

  private ask(): Promise<string> {
    this.asking ??= this.fetch().finally(() => {
      this.asking = null;
    });
    return this.asking;
  }

  private async fetch(): Promise<string> {
    let cancel = (): void => undefined;
    const late = new Promise<never>((_resolve, reject) => {
      cancel = this.environment.setTimer(this.timeoutMs, () => reject(unavailable('getToken took too long.')));
    });
    try {
      const token: unknown = await Promise.race([this.called(), late]);
      if (typeof token !== 'string' || !TOKEN.test(token)) throw unavailable('getToken returned no token.');
      this.token = token;
      return token;
    } catch (error) {
      if (error instanceof UnifiedError || isUnauthorized(error)) throw error;
      throw unavailable('getToken failed.', error);
    } finally {
      cancel();
    }
  }

  /** Also turns what `getToken` throws at once into a rejection. */
  private async called(): Promise<unknown> {
    return this.getToken({ reason: this.reason });
  }
}

function unavailable(message: string, cause?: unknown): UnifiedError {
  return new UnifiedError({ code: 'TOKEN_UNAVAILABLE', message }, cause);
}

/** By its code: the error may come from another copy of this package, or through a message port. */
export function isUnauthorized(error: unknown): boolean {
  return error instanceof Error && error.name === 'UnauthorizedError';
}
