import type { Environment, SocketLike } from './environment.js';

/** An object of which nothing else is known. */
export type Data = Readonly<Record<string, unknown>>;

/** A message of the server: an object with a `type`. The other fields are as the server sent them. */
export interface Frame extends Data {
  readonly type: string;
}

/** One WebSocket from its first packet to its end. It never reconnects. */
export interface Transport {
  send(message: object): void;
  /** Ends it; nothing is reported any more. */
  close(): void;
}

export interface TransportEvents {
  /** Null: what came is no message of the protocol. */
  onFrame(frame: Frame | null): void;
  /** Once, unless `close` came before. */
  onClose(code: number, reason: string): void;
}

/** The code of a connection that ended without a close frame. */
export const ABNORMAL = 1006;

/** The object, or an empty one for anything else. */
export const dataOf = (value: unknown): Data => (typeof value === 'object' && value !== null ? (value as Data) : {});

export const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);

function frameOf(text: unknown): Frame | null {
  try {
    const frame = dataOf(JSON.parse(text as string));
    return typeof frame.type === 'string' ? (frame as Frame) : null;
  } catch {
    return null;
  }
}

/** @param protocols hold the token: they appear nowhere else. */
export function openTransport(
  environment: Environment,
  url: string,
  protocols: string[],
  events: TransportEvents,
): Transport {
  let socket: SocketLike | null = null;
  let isOver = false;

  const end = (code: number, reason: string): void => {
    if (isOver) return;
    isOver = true;
    events.onClose(code, reason);
  };

  const open = async (): Promise<void> => {
    try {
      const WebSocket = await environment.webSocket();
      if (isOver) return;
      socket = new WebSocket(url, protocols);
    } catch {
      // The message of this error may quote the token.
      end(ABNORMAL, 'no WebSocket');
      return;
    }
    socket.onmessage = ({ data }: { readonly data: unknown }): void => {
      if (!isOver) events.onFrame(frameOf(data));
    };
    socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }): void => end(code, reason);
    // Says nothing that the close does not. Without it `ws` throws.
    socket.onerror = (): void => undefined;
  };

  void open();
  return {
    send: (message) => socket?.send(JSON.stringify(message)),
    close() {
      isOver = true;
      socket?.close(1000);
    },
  };
}
