import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { within } from './wait.js';

/** An upgraded connection that sends the bytes it is given, and answers nothing. */
export class RawSocket {
  readonly socket: Socket;
  private received: Buffer;
  private gone = false;
  private readonly end: Promise<void>;

  private constructor(socket: Socket, head: Buffer) {
    this.socket = socket;
    this.received = head;
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    // A reset is an end like any other; `close` follows.
    socket.on('error', () => socket.destroy());
    this.end = once(socket, 'close').then(() => {
      this.gone = true;
    });
  }

  /** @param url `http://…`, with path and query. */
  static async open(url: string, token: string): Promise<RawSocket> {
    const request = (url.startsWith('https:') ? httpsRequest : httpRequest)(url, {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': randomBytes(16).toString('base64'),
        authorization: `Bearer ${token}`,
      },
    });
    request.end();
    const upgraded = once(request, 'upgrade') as Promise<[IncomingMessage, Socket, Buffer]>;
    const [, socket, head] = await within(upgraded, 10_000, 'the upgrade');
    return new RawSocket(socket, head);
  }

  /** One masked frame, as it is told. @param first its first byte: FIN, RSV1-3, opcode. */
  send(first: number, payload: Buffer | string = ''): void {
    const body = Buffer.from(payload as string);
    if (body.length > 125) throw new Error('longer than this client needs');
    const mask = randomBytes(4);
    const hidden = body.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
    this.socket.write(Buffer.concat([Buffer.from([first, 0x80 | body.length]), mask, hidden]));
  }

  /** The close code that came before TCP ended; 1006: none did. */
  async closed(timeoutMs = 10_000): Promise<number> {
    if (!this.gone) await within(this.end, timeoutMs, 'the connection ends');
    return this.closeCode();
  }

  destroy(): void {
    this.socket.destroy();
  }

  private closeCode(): number {
    let rest = this.received;
    while (rest.length >= 2) {
      const [first = 0, short = 0] = rest;
      const header = short === 126 ? 4 : short === 127 ? 10 : 2;
      const length = short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
      if ((first & 0x0f) === 8) return length < 2 ? 1005 : rest.readUInt16BE(header);
      rest = rest.subarray(header + length);
    }
    return 1006;
  }
}
