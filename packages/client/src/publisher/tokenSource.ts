import type { PublisherOptions, PublisherSettings } from './publisherOptions.js';

/** What a header may carry. fetch quotes anything else in its error, and so the token in a log. */
const TOKEN = /^[\x21-\x7e]+$/;

/** No token could be had. `isFinal`: there will never be one. */
export class TokenFailure extends Error {
  override readonly name = 'TokenFailure';
  readonly isFinal: boolean;

  constructor(message: string, isFinal: boolean, cause?: unknown) {
    super(message, { cause });
    this.isFinal = isFinal;
  }
}

/** Keeps the token until the server refuses it. */
export class TokenSource {
  private readonly getToken: PublisherOptions['getToken'];
  private readonly timeoutMs: number;
  private readonly stop: AbortSignal;
  private token: string | null = null;
  private asked: Promise<string> | null = null;
  private wasRefused = false;

  /** @param stop aborted: nobody waits for a token any more. */
  constructor({ getToken, requestTimeoutMs }: PublisherSettings, stop: AbortSignal) {
    this.getToken = getToken;
    this.timeoutMs = requestTimeoutMs;
    this.stop = stop;
  }

  /** One call of `getToken` at a time. @throws TokenFailure */
  async get(): Promise<string> {
    if (this.token !== null) return this.token;
    this.asked ??= this.ask().finally(() => {
      this.asked = null;
    });
    return this.asked;
  }

  /** The server answered 401 to it. */
  refuse(token: string): void {
    if (this.token === token) this.token = null;
    this.wasRefused = true;
  }

  private async ask(): Promise<string> {
    const over = new AbortController();
    let end: () => void = () => undefined;
    const late = new Promise<never>((_resolve, reject) => {
      end = () => reject(new Error(`getToken took more than ${this.timeoutMs} ms, or the publisher was closed`));
    });
    const timer = setTimeout(end, this.timeoutMs);
    this.stop.addEventListener('abort', end, { once: true, signal: over.signal });
    try {
      const reason = this.wasRefused ? 'refused' : 'initial';
      const given = (async () => this.getToken({ reason, signal: over.signal }))();
      const token: unknown = await Promise.race([given, late]);
      if (typeof token !== 'string' || !TOKEN.test(token)) throw new TypeError('getToken gave no token');
      this.token = token;
      return token;
    } catch (error) {
      const isFinal = error instanceof Error && error.name === 'UnauthorizedError';
      throw new TokenFailure('getToken failed', isFinal, error);
    } finally {
      clearTimeout(timer);
      over.abort();
    }
  }
}
