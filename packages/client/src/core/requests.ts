import type { Environment } from './environment.js';
import { NoReplyError, RequestError, type UnifiedError } from './errors.js';
import { dataOf, type Frame } from './transport.js';

type Send = (message: object) => void;

interface Waiting {
  readonly message: object;
  isSent: boolean;
  readonly settle: (frame: Frame) => void;
  readonly fail: (error: UnifiedError) => void;
}

/** Requests that wait: for a connection, then for their replies. */
export class Requests {
  private readonly waiting = new Map<string, Waiting>();
  private send: Send | null = null;
  private lastId = 0;
  private readonly environment: Environment;

  constructor(environment: Environment) {
    this.environment = environment;
  }

  /** Resolves with the `data` of the reply. @throws RequestError, NoReplyError */
  request(type: string, data: object, timeoutMs: number): Promise<unknown> {
    this.lastId += 1;
    const id = `c${this.lastId}`;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        cancel();
        this.waiting.delete(id);
      };
      const fail = (error: UnifiedError): void => {
        end();
        reject(error);
      };
      const settle = ({ type: replyType, data: reply }: Frame): void => {
        end();
        if (replyType === 'error' || replyType === 'validation_error') reject(refusal(reply));
        else resolve(reply);
      };
      const cancel = this.environment.setTimer(timeoutMs, () =>
        fail(new NoReplyError({ code: 'REQUEST_TIMEOUT', message: `No reply to ${type} within ${timeoutMs} ms.` })),
      );
      this.waiting.set(id, { message: { type, data, id }, isSent: false, settle, fail });
      this.flush();
    });
  }

  private flush(): void {
    if (!this.send) return;
    for (const one of this.waiting.values()) {
      if (!one.isSent) this.send(one.message);
      one.isSent = true;
    }
  }

  /** A connection is established. */
  open(send: Send): void {
    this.lost();
    this.send = send;
    this.flush();
  }

  /** The connection is gone, and with it the replies. What was not sent waits for the next one. */
  lost(): void {
    this.send = null;
    const error = { code: 'CONNECTION_LOST', message: 'The connection ended before the reply.' };
    for (const { isSent, fail } of [...this.waiting.values()]) if (isSent) fail(new NoReplyError(error));
  }

  /** There will be no other connection. */
  end(error: UnifiedError): void {
    this.send = null;
    for (const { fail } of [...this.waiting.values()]) fail(error);
  }

  /** @returns whether the frame is the reply to a request. */
  settle(frame: Frame): boolean {
    const waiting = this.waiting.get(String(frame.reply_to));
    waiting?.settle(frame);
    return waiting !== undefined;
  }
}

function refusal(data: unknown): RequestError {
  const { error_code, message, details, errors } = dataOf(data);
  return new RequestError({
    code: typeof error_code === 'string' ? error_code : 'UNEXPECTED_ERROR',
    message: typeof message === 'string' ? message : 'The server refused the request.',
    details: errors ?? details,
  });
}
