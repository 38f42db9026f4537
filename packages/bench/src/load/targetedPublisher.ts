import { once } from 'node:events';
import { WS_PATH } from '@unified-ws/protocol';
import { WebSocket } from 'ws';
import { EVENT_TYPE, eventData, wireMessage } from './message.js';
import { publisherToken } from './requests.js';

/** How a server is told to send an event to one user, and how it confirms. */
export interface TargetedWire {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent once after the upgrade. */
  readonly greeting?: string;
  /** The server says nothing before the greeting. */
  readonly waits?: true;
  readonly message: (user: string, due: number, number: number) => string;
  /** How many events a message of the server confirms. */
  readonly acceptedIn: (text: string) => number;
}

/** A type without a rate, subscribed to by default. */
const UNLIMITED_TYPE = 'custom_event';

export function oursWire(ephemeral: boolean): TargetedWire {
  // Of an ephemeral type with a rate, clients receive no more than that.
  const more = ephemeral ? { delivery: 'ephemeral', event_type: UNLIMITED_TYPE } : { event_type: EVENT_TYPE };
  return {
    path: WS_PATH,
    headers: { authorization: `Bearer ${publisherToken()}` },
    message: (user, due) =>
      JSON.stringify({
        type: 'publish_event',
        data: { data: eventData(due), target_user_ids: [user], ...more },
      }),
    acceptedIn: (text) => (text.includes('"event_accepted"') ? 1 : 0),
  };
}

export const SOCKET_IO_WIRE: TargetedWire = {
  path: '/socket.io/?EIO=4&transport=websocket',
  headers: {},
  greeting: '40',
  message: (user, due, number) => `42${number}${JSON.stringify(['publish', user, due])}`,
  acceptedIn: (text) => (text.startsWith('43') ? 1 : 0),
};

export const WS_WIRE: TargetedWire = {
  path: '/?',
  headers: {},
  message: (user, due) => JSON.stringify({ to: user, due }),
  acceptedIn: (text) => (text === '{"accepted":true}' ? 1 : 0),
};

/** JSON of Centrifugo's client protocol. */
export const CENTRIFUGO_WIRE: TargetedWire = {
  path: '/connection/websocket',
  headers: {},
  greeting: JSON.stringify({ id: 1, connect: { token: publisherToken() } }),
  waits: true,
  message: (user, due, number) =>
    JSON.stringify({ id: number + 2, publish: { channel: user, data: wireMessage(due) } }),
  // Several replies may share a message.
  acceptedIn: (text) => text.split('"publish":').length - 1,
};

/** Publishes events one by one over one connection, without waiting for the answers. */
export class TargetedPublisher {
  private readonly socket: WebSocket;
  private readonly wire: TargetedWire;
  private sent = 0;
  private accepted = 0;
  private failure: string | null = null;
  private check: () => void = () => undefined;

  private constructor(socket: WebSocket, wire: TargetedWire) {
    this.socket = socket;
    this.wire = wire;
  }

  static async open(port: number, wire: TargetedWire): Promise<TargetedPublisher> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${wire.path}`, {
      headers: wire.headers,
      perMessageDeflate: false,
    });
    const publisher = new TargetedPublisher(socket, wire);
    await once(socket, wire.waits ? 'open' : 'message');
    if (wire.greeting !== undefined) {
      socket.send(wire.greeting);
      await once(socket, 'message');
    }
    socket.on('message', (data: Buffer) => publisher.receive(data.toString('latin1')));
    return publisher;
  }

  publish(user: string, due: number): void {
    this.socket.send(this.wire.message(user, due, this.sent));
    this.sent += 1;
  }

  /** Resolves when everything published is accepted. */
  settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.check = () => {
        if (this.failure !== null) reject(new Error(this.failure));
        else if (this.accepted >= this.sent) resolve();
      };
      this.check();
    });
  }

  close(): void {
    this.socket.terminate();
  }

  private receive(text: string): void {
    this.accepted += this.wire.acceptedIn(text);
    if (text.includes('"error"')) this.failure = text;
    this.check();
  }
}
