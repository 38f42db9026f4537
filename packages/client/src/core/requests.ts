import type { Environment } from './environment.js';
import { NoReplyError, RequestError, type UnifiedError } from './errors.js';
import { dataOf, type Frame, type Transport, textOrNull } from './transport.js';

/** Requests that wait: for a connection, then for their replies. */
export interface Requests {
  /** Resolves with the `data` of the reply. @throws RequestError, NoReplyError, or the error of `end` */
  send(type: string, data: object, timeoutMs: number): Promise<unknown>;
  /** A connection is established. */
  open(transport: Transport): void;
  /** The connection is gone, and with it the replies. What was not sent waits for the next one. */
  lost(): void;
  /** There will be no other connection. */
  end(error: UnifiedError): void;
  /** @returns whether the frame is the reply to a request. */
  settle(frame: Frame): boolean;
}

interface Waiting {
  readonly message: object;
  isSent: boolean;
  settle(frame: Frame): void;
  fail(error: UnifiedError): void;
}

function refusal(reply: unknown): RequestError {
  const { error_code, message, details, errors } = dataOf(reply);
  const code = textOrNull(error_code) ?? 'UNEXPECTED_ERROR';
  return new RequestError(code, textOrNull(message) ?? code, { details: errors ?? details });
}

export function createRequests(environment: Environment): Requests {
  const waiting = new Map<unknown, Waiting>();
  let transport: Transport | null = null;
  let lastId = 0;

  const flush = (): void => {
    for (const one of waiting.values()) {
      if (!transport || one.isSent) continue;
      one.isSent = true;
      transport.send(one.message);
    }
  };
  const failAll = (error: UnifiedError, evenUnsent: boolean): void => {
    transport = null;
    for (const one of [...waiting.values()]) if (one.isSent || evenUnsent) one.fail(error);
  };

  return {
    send(type, data, timeoutMs) {
      lastId += 1;
      const id = `c${lastId}`;
      return new Promise((resolve, reject) => {
        const end = (): void => {
          cancel();
          waiting.delete(id);
        };
        const fail = (error: UnifiedError): void => {
          end();
          reject(error);
        };
        const cancel = environment.setTimer(timeoutMs, () =>
          fail(new NoReplyError('REQUEST_TIMEOUT', `No reply to ${type} within ${timeoutMs} ms.`)),
        );
        waiting.set(id, {
          message: { type, data, id },
          isSent: false,
          settle(frame) {
            if (frame.type.endsWith('error')) fail(refusal(frame.data));
            else {
              end();
              resolve(frame.data);
            }
          },
          fail,
        });
        flush();
      });
    },
    open(opened) {
      transport = opened;
      flush();
    },
    lost() {
      failAll(new NoReplyError('CONNECTION_LOST', 'The connection ended before the reply.'), false);
    },
    end(error) {
      failAll(error, true);
    },
    settle(frame) {
      const one = waiting.get(frame.reply_to);
      one?.settle(frame);
      return one !== undefined;
    },
  };
}
