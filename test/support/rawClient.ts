import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { WS_PATH } from '@unified-ws/protocol';
import { until, within } from './wait.js';

export interface FrameOptions {
  /** Default 1, text. */
  readonly opcode?: number;
  /** Default true. */
  readonly fin?: boolean;
  /** Bits 4, 2, 1 for RSV1-3. Default 0. */
  readonly rsv?: number;
  /** Default true, as clients must. */
  readonly masked?: boolean;
  /** Written into the header instead of the payload's real length. */
  readonly length?: number;
}

export const OPCODE = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

/** The bytes of one WebSocket frame of a client, valid or broken. */
export function clientFrame(payload: string | Buffer, options: FrameOptions = {}): Buffer {
  const { opcode = OPCODE.TEXT, fin = true, rsv = 0, masked = true } = options;
  const body = Buffer.from(payload);
  const length = options.length ?? body.length;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65536 ? 4 : 10);
  header[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const maskBit = masked ? 0x80 : 0;
  if (length < 126) {
    header[1] = maskBit | length;
  } else if (length < 65536) {
    header[1] = maskBit | 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = maskBit | 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  if (!masked) return Buffer.concat([header, body]);
  const mask = randomBytes(4);
  const hidden = Buffer.from(body.map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
  return Buffer.concat([header, mask, hidden]);
}

export interface RawFrame {
  readonly opcode: number;
  /** Bits 4, 2, 1 for RSV1-3. */
  readonly rsv: number;
  readonly payload: Buffer;
}

export interface RawOptions {
  readonly token?: string;
  /** Query of the path, without `?`. */
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Keeps its own half of TCP open when the server ends the other. Default false. */
  readonly allowHalfOpen?: boolean;
}

/**
 * A WebSocket client without automatic behaviour: it answers no ping and no close frame, and can stop reading.
 */
export class RawClient {
  readonly socket: Socket;
  readonly frames: RawFrame[] = [];
  /** Whether the server has ended the connection, in any way. */
  ended = false;
  /** Whether the server has ended its half of TCP. */
  finished = false;
  /** Status of the answer to the upgrade; null before. */
  status: number | null = null;
  /** Head of the answer. */
  head = '';
  private rest = Buffer.alloc(0);

  constructor(port: number, { allowHalfOpen = false }: Pick<RawOptions, 'allowHalfOpen'> = {}) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen });
    this.socket.on('end', () => {
      this.finished = true;
    });
    this.socket.on('data', (chunk: Buffer) => this.push(chunk));
    this.socket.on('close', () => {
      this.ended = true;
    });
    // A reset is an end like any other; `close` follows.
    this.socket.on('error', () => this.socket.destroy());
  }

  /** Connected and upgraded. @throws Error when the upgrade is refused. */
  static async open(port: number, options: RawOptions = {}): Promise<RawClient> {
    const client = new RawClient(port, options);
    await once(client.socket, 'connect');
    client.socket.write(upgradeRequest(options));
    await until(() => client.status !== null || client.ended, { what: 'the upgrade is answered' });
    if (client.status !== 101) throw new Error(`the upgrade was answered ${client.head || 'by the end'}`);
    return client;
  }

  /** The payload of text frames, parsed. */
  get messages(): { type: string; data: Record<string, unknown>; [field: string]: unknown }[] {
    return this.frames
      .filter((frame) => frame.opcode === OPCODE.TEXT)
      .map((frame) => JSON.parse(frame.payload.toString()));
  }

  /** Code of the received close frame; null if none came. */
  get closeCode(): number | null {
    const close = this.frames.find((frame) => frame.opcode === OPCODE.CLOSE);
    return close === undefined ? null : close.payload.length < 2 ? 1005 : close.payload.readUInt16BE(0);
  }

  send(payload: string | Buffer, options: FrameOptions = {}): void {
    this.socket.write(clientFrame(payload, options));
  }

  async waitFor(type: string, timeoutMs = 5000): Promise<Record<string, unknown>> {
    return until(() => this.messages.find((message) => message.type === type), { timeoutMs, what: type });
  }

  /** Resolves with the close code when the server sent one, or with null when it ended the connection. */
  async closed(timeoutMs = 5000): Promise<number | null> {
    await until(() => this.closeCode !== null || this.ended, { timeoutMs, what: 'the server closes' });
    return this.closeCode;
  }

  /** Resolves when TCP has ended. */
  async gone(timeoutMs = 5000): Promise<void> {
    if (!this.ended) await within(once(this.socket, 'close'), timeoutMs, 'TCP ends');
  }

  destroy(): void {
    this.socket.destroy();
  }

  private push(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    if (this.status === null) {
      const end = this.rest.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.head = this.rest.toString('latin1', 0, end);
      this.status = Number(/^HTTP\/1\.1 (\d{3})/.exec(this.head)?.[1] ?? 0);
      this.rest = this.rest.subarray(end + 4);
    }
    if (this.status === 101) while (this.takeFrame());
  }

  private takeFrame(): boolean {
    const { rest } = this;
    const [first, second] = rest;
    if (first === undefined || second === undefined) return false;
    const short = second & 0x7f;
    const header = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (rest.length < header) return false;
    const length = short === 126 ? rest.readUInt16BE(2) : short === 127 ? Number(rest.readBigUInt64BE(2)) : short;
    if (rest.length < header + length) return false;
    this.frames.push({
      opcode: first & 0x0f,
      rsv: (first >> 4) & 7,
      payload: Buffer.from(rest.subarray(header, header + length)),
    });
    this.rest = rest.subarray(header + length);
    return true;
  }
}

export function upgradeRequest({ token, query = '', headers = {} }: RawOptions = {}): string {
  const lines = {
    Host: '127.0.0.1',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...headers,
  };
  const path = query === '' ? WS_PATH : `${WS_PATH}?${query}`;
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${head.join('')}\r\n`;
}
