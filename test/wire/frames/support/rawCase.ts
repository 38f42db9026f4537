import { clientFrame, type FrameOptions, OPCODE } from '../../../support/rawClient.js';

/** An established connection, or one that has not authenticated. */
export type Phase = 'open' | 'unauthenticated';

export const BOTH: readonly Phase[] = ['open', 'unauthenticated'];

/** One line of the tables: what is sent, what must come back, and which rule demands it. */
export interface RawCase {
  readonly name: string;
  /** RFC and section, or the page of ours. */
  readonly rule: string;
  /** Each a write of its own; `fin`: this side ends its half of TCP; `reset`: it resets. */
  readonly send: readonly (Buffer | 'fin' | 'reset')[];
  /**
   * All that comes, a word for each: the `reply_to` of a reply, the code of an error, `pong <payload>`, `close <code>`,
   * `end` (TCP is over); and `after` last, the answer to one more message, where the connection goes on. Or a list of such lists,
   * where the rule leaves a choice.
   */
  readonly back: readonly string[] | readonly (readonly string[])[];
  /** Default: `open` alone. */
  readonly phases?: readonly Phase[];
  /** Whether the close frame of the server is answered. Default true. */
  readonly answers?: boolean;
  /** Of the upgrade. */
  readonly headers?: Readonly<Record<string, string>>;
}

export const ON = ['after'] as const;
/** The connection is failed with this code (RFC 6455 §7.1.7): one close frame, nothing behind it, then the end of TCP. */
export const fails = (code: number, reason = ''): string[] => [
  `close ${code}${reason === '' ? '' : ` ${reason}`}`,
  'end',
];

export const frame = (opcode: number, payload: string | Buffer = '', options: FrameOptions = {}): Buffer =>
  clientFrame(payload, { opcode, ...options });
export const text = (payload: string | Buffer, options: FrameOptions = {}): Buffer => clientFrame(payload, options);
/** The first part of a message. */
export const start = (payload: string | Buffer): Buffer => clientFrame(payload, { fin: false });
/** A later part, and the last one. */
export const more = (payload: string | Buffer): Buffer => frame(OPCODE.CONTINUATION, payload, { fin: false });
export const last = (payload: string | Buffer): Buffer => frame(OPCODE.CONTINUATION, payload);
export const ping = (payload: string | Buffer = ''): Buffer => frame(OPCODE.PING, payload);
export const pong = (payload: string | Buffer = ''): Buffer => frame(OPCODE.PONG, payload);

export function close(code?: number, reason: string | Buffer = ''): Buffer {
  if (code === undefined) return frame(OPCODE.CLOSE);
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return frame(OPCODE.CLOSE, Buffer.concat([head, Buffer.from(reason)]));
}

/** A message that is answered with its id. */
export const ask = (id: string, padding = ''): string =>
  JSON.stringify({ type: 'ping', id, ...(padding === '' ? {} : { padding }) });

/** As `ask`, of exactly so many bytes. */
export function askOf(id: string, bytes: number): string {
  const empty = ask(id, 'x').length - 1;
  return ask(id, 'x'.repeat(bytes - empty));
}

/** Each byte a write of its own. */
export const chopped = (bytes: Buffer): Buffer[] => Array.from(bytes, (byte) => Buffer.from([byte]));
/** Two writes. */
export const cut = (bytes: Buffer, at: number): Buffer[] => [bytes.subarray(0, at), bytes.subarray(at)];

/** A masked frame whose length is written as given: the second byte of the header, and what follows it. */
export function lengthAs(payload: string, short: number, extended: Buffer): Buffer {
  const plain = text(payload.slice(0, 0));
  return Buffer.concat([
    plain.subarray(0, 1),
    Buffer.from([0x80 | short]),
    extended,
    Buffer.alloc(4),
    Buffer.from(payload),
  ]);
}
