import type { Environment, SocketLike } from './environment.js';

/** A message of the server: an object with a `type`. The other fields are as the server sent them. */
export interface Frame {
  readonly type: string;
  readonly data?: unknown;
  readonly [field: string]: unknown;
}

export interface TransportEvents {
  onFrame(frame: Frame): void;
  /** Something that is no message of the protocol came. */
  onRubbish(): void;
  /** Once, unless `close` came before. */
  onClose(code: number, reason: string): void;
}

export type Data = Readonly<Record<string, unknown>>;

/** The object, or an empty one for anything else. */
export const dataOf = (value: unknown): Data => (typeof value === 'object' && value !== null ? (value as Data) : {});

const isFrame = (value: unknown): value is Frame =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';

/** Null: no message of the protocol. */
function frameOf(data: unknown): Frame | null {
  if (typeof data !== 'string') return null;
  try {
    const value: unknown = JSON.parse(data);
    return isFrame(value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** The code of a connection that ended without a close frame. */
const ABNORMAL = 1006;

/** One WebSocket from its first packet to its end. It never reconnects. */
export class Transport {
  private socket: SocketLike | null = null;
  private isOver = false;
  private readonly events: TransportEvents;

  /** @param protocols hold the token: they appear nowhere else. */
  constructor(environment: Environment, url: string, protocols: string[], events: TransportEvents) {
    this.events = events;
    void this.open(environment, url, protocols);
  }

  private async open(environment: Environment, url: string, protocols: string[]): Promise<void> {
    try {
      const WebSocket = await environment.webSocket();
      if (this.isOver) return;
      this.socket = new WebSocket(url, protocols);
    } catch (error) {
      // A URL that cannot be meant, or no WebSocket at all. The message of the constructor may quote the token.
      this.end(ABNORMAL, error instanceof SyntaxError ? 'invalid url' : 'no WebSocket');
      return;
    }
    this.socket.onmessage = ({ data }: { readonly data: unknown }) => {
      if (this.isOver) return;
      const frame = frameOf(data);
      if (frame) this.events.onFrame(frame);
      else this.events.onRubbish();
    };
    this.socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) =>
      this.end(code, String(reason));
    // Says nothing that the close does not; without it `ws` throws.
    this.socket.onerror = (): void => undefined;
  }

  private end(code: number, reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.events.onClose(code, reason);
  }

  send(message: object): void {
    if (!this.isOver) this.socket?.send(JSON.stringify(message));
  }

  /** Ends it; nothing is reported any more. */
  close(): void {
    this.isOver = true;
    this.socket?.close(1000);
  }
}
