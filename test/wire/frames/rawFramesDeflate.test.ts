import { once } from 'node:events';
import { constants, createDeflateRaw, deflateRawSync } from 'node:zlib';
import { expect } from 'chai';
import { OPCODE } from '../../support/rawClient.js';
import { RawBench, wordsOf } from './support/rawBench.js';
import {
  ask,
  askOf,
  chopped,
  close,
  fails,
  frame,
  last,
  more,
  ON,
  ping,
  type RawCase,
  text,
} from './support/rawCase.js';

const MAX_PAYLOAD = 65_536;
const RSV1 = 4;
const headers = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' };
const smallWindow = { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits=9' };

/** What RFC 7692 §7.2.1 has a sender do, without what a sync flush ends with. */
function deflated(message: string, options: { windowBits?: number; level?: number } = {}): Buffer {
  const flushed = deflateRawSync(message, { finishFlush: constants.Z_SYNC_FLUSH, ...options });
  return flushed.subarray(0, -4);
}

/** Several messages of one sender that keeps its window: each but the first refers to those before it. */
async function withSharedContext(messages: readonly string[]): Promise<Buffer[]> {
  const deflate = createDeflateRaw();
  const chunks: Buffer[] = [];
  deflate.on('data', (chunk: Buffer) => chunks.push(chunk));
  const out: Buffer[] = [];
  for (const message of messages) {
    deflate.write(message);
    await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, resolve));
    out.push(Buffer.concat(chunks.splice(0)).subarray(0, -4));
  }
  const closed = once(deflate, 'close');
  deflate.close();
  await closed;
  return out;
}

const packed = (payload: Buffer): Buffer => text(payload, { rsv: RSV1 });
const startPacked = (payload: Buffer): Buffer => text(payload, { rsv: RSV1, fin: false });
const one = deflated(ask('1'));
const cutAt = Math.floor(one.length / 2);

const MESSAGE = 'RFC 7692 §7.2.2';
const RSV = 'RFC 7692 §6.1';

const read: readonly RawCase[] = [
  { name: 'a compressed message is read', rule: MESSAGE, send: [packed(one)], back: ['1', ...ON] },
  {
    name: 'a plain message is read beside it',
    rule: 'RFC 7692 §6',
    send: [text(ask('1')), packed(deflated(ask('2'))), text(ask('3'))],
    back: ['1', '2', '3', ...ON],
  },
  {
    name: 'several compressed messages in one segment are read in order',
    rule: MESSAGE,
    send: [Buffer.concat(['1', '2', '3'].map((id) => packed(deflated(ask(id)))))],
    back: ['1', '2', '3', ...ON],
  },
  {
    name: 'a compressed message that comes byte by byte is read',
    rule: MESSAGE,
    send: chopped(packed(one)),
    back: ['1', ...ON],
  },
  {
    name: 'a compressed message in two fragments is read',
    rule: 'RFC 7692 §7.2.3.1',
    send: [startPacked(one.subarray(0, cutAt)), last(one.subarray(cutAt))],
    back: ['1', ...ON],
  },
  {
    name: 'a compressed message of one byte a fragment, with pings between, is read',
    rule: 'RFC 7692 §7.2.3.1',
    send: [startPacked(Buffer.alloc(0)), ...Array.from(one, (byte) => more(Buffer.from([byte]))), ping('p'), last('')],
    back: ['pong p', '1', ...ON],
  },
  {
    name: 'a message in stored blocks is read',
    rule: 'RFC 7692 §7.2.3.3',
    send: [packed(deflated(ask('1'), { level: 0 }))],
    back: ['1', ...ON],
  },
  {
    name: 'a message whose last block is marked as final is read, and the next too',
    rule: 'RFC 7692 §7.2.3.4',
    send: [packed(Buffer.concat([deflateRawSync(ask('1')), Buffer.alloc(1)])), packed(deflated(ask('2')))],
    back: ['1', '2', ...ON],
  },
  {
    name: 'a message of two blocks is read',
    rule: 'RFC 7692 §7.2.3.5',
    send: [
      packed(
        Buffer.concat([
          deflateRawSync(ask('1').slice(0, 9), { finishFlush: constants.Z_SYNC_FLUSH }),
          deflated(ask('1').slice(9)),
        ]),
      ),
    ],
    back: ['1', ...ON],
  },
  {
    name: 'an empty compressed message is an empty message',
    rule: 'RFC 7692 §7.2.3.6',
    send: [packed(Buffer.from([0]))],
    back: ['MESSAGE_ERROR', ...ON],
  },
  {
    name: 'a compressed frame without payload is an empty message',
    rule: MESSAGE,
    send: [packed(Buffer.alloc(0))],
    back: ['MESSAGE_ERROR', ...ON],
  },
  {
    name: 'a message compressed with a smaller window is read',
    rule: 'RFC 7692 §7.1.2.2',
    send: [packed(deflated(askOf('1', 2000), { windowBits: 9 }))],
    back: ['1', ...ON],
    headers: smallWindow,
  },
  {
    name: 'a message within the smallest window is read',
    rule: 'RFC 7692 §7.1.2.2',
    send: [packed(one)],
    back: ['1', ...ON],
    headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits=8' },
  },
  {
    name: 'a message that inflates to MAX_PAYLOAD is read',
    rule: 'RFC 7692 §8, CONFIG "MAX_PAYLOAD"',
    send: [packed(deflated(askOf('1', MAX_PAYLOAD)))],
    back: ['1', ...ON],
  },
];

const refused: readonly RawCase[] = [
  {
    name: 'the bit on a continuation is refused',
    rule: RSV,
    send: [startPacked(one.subarray(0, cutAt)), frame(OPCODE.CONTINUATION, one.subarray(cutAt), { rsv: RSV1 })],
    back: fails(1002),
  },
  {
    name: 'the bit on the continuation of a plain message is refused',
    rule: RSV,
    send: [text('{', { fin: false }), frame(OPCODE.CONTINUATION, one, { rsv: RSV1 })],
    back: fails(1002),
  },
  {
    name: 'the bit on a ping is refused',
    rule: RSV,
    send: [frame(OPCODE.PING, one, { rsv: RSV1 })],
    back: fails(1002),
  },
  {
    name: 'the bit on a close frame is refused',
    rule: RSV,
    send: [frame(OPCODE.CLOSE, '', { rsv: RSV1 })],
    back: fails(1002),
  },
  { name: 'the other reserved bits are refused', rule: RSV, send: [text(one, { rsv: RSV1 | 1 })], back: fails(1002) },
  {
    name: 'a compressed binary message is refused',
    rule: 'RFC 6455 §7.4.1, PROTOCOL "Close codes"',
    send: [frame(OPCODE.BINARY, one, { rsv: RSV1 })],
    back: fails(1003, 'text frames only'),
  },
  {
    name: 'garbage is refused',
    rule: `${MESSAGE}, RFC 6455 §7.4.1`,
    send: [packed(Buffer.alloc(50, 0xff))],
    back: fails(1007),
  },
  {
    name: 'garbage behind a good fragment is refused',
    rule: `${MESSAGE}, RFC 6455 §7.4.1`,
    send: [
      startPacked(deflateRawSync(ask('1').slice(0, 9), { finishFlush: constants.Z_SYNC_FLUSH })),
      last(Buffer.alloc(50, 0xff)),
    ],
    back: fails(1007),
  },
  {
    name: 'plain text under the bit is refused',
    rule: `${MESSAGE}, RFC 6455 §7.4.1`,
    send: [packed(Buffer.from(ask('1')))],
    back: fails(1007),
  },
  {
    name: 'a message cut short is refused, or what is left of it is',
    rule: MESSAGE,
    send: [packed(one.subarray(0, cutAt))],
    back: [fails(1007), ['MESSAGE_ERROR', ...ON]],
  },
  {
    name: 'invalid UTF-8 within is refused',
    rule: 'RFC 6455 §8.1',
    send: [
      packed(deflateRawSync(Buffer.from([0x22, 0xff, 0x22]), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)),
    ],
    back: fails(1007),
  },
  {
    name: 'a message that inflates to one byte more than MAX_PAYLOAD is refused',
    rule: 'RFC 6455 §7.4.1, §10.4',
    send: [packed(deflated(askOf('1', MAX_PAYLOAD + 1)))],
    back: fails(1009),
  },
  {
    name: 'fragments that inflate to more than MAX_PAYLOAD together are refused',
    rule: 'RFC 6455 §7.4.1, §10.4',
    send: [
      startPacked(deflateRawSync('x'.repeat(40_000), { finishFlush: constants.Z_SYNC_FLUSH })),
      last(deflated('x'.repeat(40_000))),
    ],
    back: fails(1009),
  },
  {
    name: 'a message of 50 MB in 50 kB is refused',
    rule: 'RFC 6455 §7.4.1, §10.4',
    send: [packed(deflated(' '.repeat(50_000_000)))],
    back: fails(1009),
  },
  {
    name: 'a compressed frame longer than MAX_PAYLOAD is refused before its payload',
    rule: 'RFC 6455 §10.4',
    send: [text('', { rsv: RSV1, length: MAX_PAYLOAD + 1 })],
    back: fails(1009),
  },
  {
    name: 'a close frame behind a compressed message is answered after it',
    rule: 'RFC 6455 §5.5.1',
    send: [Buffer.concat([packed(one), close(1000)])],
    back: ['1', 'close 1000', 'end'],
  },
  {
    name: 'a reset while a message is inflated ends the connection',
    rule: 'RFC 6455 §7.2.1',
    send: [packed(deflated(askOf('1', MAX_PAYLOAD))), 'reset'],
    back: ['end'],
  },
];

describe('raw frames: permessage-deflate', function () {
  this.timeout(20_000);
  const bench = new RawBench();
  before(() => bench.start({ MAX_PAYLOAD: String(MAX_PAYLOAD) }));
  afterEach(() => bench.world.endRaw());
  after(() => bench.stop());

  bench.all(read.map((one) => ({ headers, ...one })));
  bench.all(refused.map((one) => ({ headers, ...one })));

  it('a window that is kept though the server forbade it must not be taken for the text that it is not (RFC 7692 §7.1.1.2)', async () => {
    const [first, second] = await withSharedContext([ask('1', 'words to refer to'), ask('2', 'words to refer to')]);
    const client = await bench.connect('open', headers);
    client.socket.write(Buffer.concat([packed(first as Buffer), packed(second as Buffer)]));
    expect(await client.closed()).to.equal(1007);
    expect(wordsOf(client)).to.deep.equal(['1', 'close 1007']);
    await bench.servesOn();
    client.destroy();
  });
});
