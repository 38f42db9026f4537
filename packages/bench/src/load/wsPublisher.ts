import { once } from 'node:events';
import { WS_PATH } from '@unified-ws/protocol';
import { WebSocket } from 'ws';
import { EVENT_TYPE, eventData } from './message.js';
import { publisherToken } from './requests.js';

/** Publishes over one connection, with many outstanding messages. */
export class WsPublisher {
  private readonly socket: WebSocket;
  private readonly limit: number;
  private left = 0;
  private underWay = 0;
  private done: { resolve: () => void; reject: (error: Error) => void } | null = null;

  private constructor(socket: WebSocket, limit: number) {
    this.socket = socket;
    this.limit = limit;
  }

  /** @param limit maximum number of messages without a reply. */
  static async open(port: number, limit: number, client: string): Promise<WsPublisher> {
    const headers = { authorization: `Bearer ${publisherToken(client)}` };
    const socket = new WebSocket(`ws://127.0.0.1:${port}${WS_PATH}`, { headers, perMessageDeflate: false });
    const publisher = new WsPublisher(socket, limit);
    await once(socket, 'message');
    socket.on('message', (data: Buffer) => publisher.receive(data));
    return publisher;
  }

  /** Resolves when `count` events were accepted. */
  publish(count: number, due: () => number): Promise<void> {
    this.left = count;
    return new Promise((resolve, reject) => {
      this.done = { resolve, reject };
      this.fill(due);
    });
  }

  close(): void {
    this.socket.terminate();
  }

  private receive(data: Buffer): void {
    const text = data.toString('latin1', 0, 200);
    if (!text.includes('"event_accepted"')) {
      if (text.includes('error')) this.done?.reject(new Error(text));
      return;
    }
    this.underWay -= 1;
    if (this.left === 0 && this.underWay === 0) this.done?.resolve();
    this.fill(this.due);
  }

  private due: () => number = () => 0;

  private fill(due: () => number): void {
    this.due = due;
    while (this.left > 0 && this.underWay < this.limit) {
      this.left -= 1;
      this.underWay += 1;
      this.socket.send(
        JSON.stringify({ type: 'publish_event', data: { event_type: EVENT_TYPE, data: eventData(due()) } }),
      );
    }
  }
}
