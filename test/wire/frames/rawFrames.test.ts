import { OPCODE } from '../../support/rawClient.js';
import { RawBench } from './support/rawBench.js';
import { ask, askOf, BOTH, chopped, cut, fails, frame, lengthAs, ON, type RawCase, text } from './support/rawCase.js';

const MAX_PAYLOAD = 70_000;

const uint16 = (n: number): Buffer => Buffer.from([n >> 8, n & 0xff]);
const uint64 = (n: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(n);
  return bytes;
};

const lengths: readonly RawCase[] = [
  ...[40, 125, 126, 127, 65_535, 65_536, MAX_PAYLOAD].map((bytes) => ({
    name: `a message of ${bytes} bytes is read whole`,
    rule: 'RFC 6455 §5.2',
    send: [text(askOf('1', bytes))],
    back: ['1', ...ON],
  })),
  {
    name: 'an empty message is a message',
    rule: 'RFC 6455 §5.6, PROTOCOL "Errors"',
    send: [text('')],
    back: ['MESSAGE_ERROR', ...ON],
  },
  // The sender must write the shortest form; the receiver is not told to fail. Both lengths say the same, so nothing is at stake.
  {
    name: 'a length of 16 bits for 40 bytes is understood',
    rule: 'RFC 6455 §5.2',
    send: [lengthAs(askOf('1', 40), 126, uint16(40))],
    back: ['1', ...ON],
  },
  {
    name: 'a length of 64 bits for 40 bytes is understood',
    rule: 'RFC 6455 §5.2',
    send: [lengthAs(askOf('1', 40), 127, uint64(40n))],
    back: ['1', ...ON],
  },
  {
    name: 'a length of 64 bits for 300 bytes is understood',
    rule: 'RFC 6455 §5.2',
    send: [lengthAs(askOf('1', 300), 127, uint64(300n))],
    back: ['1', ...ON],
  },
  // By the header alone: the payload is not waited for.
  ...(
    [
      ['one byte more than MAX_PAYLOAD', BigInt(MAX_PAYLOAD + 1)],
      ['2^32', 1n << 32n],
      ['2^53 - 1', (1n << 53n) - 1n],
      ['2^53, which is no number here', 1n << 53n],
      ['2^63 - 1', (1n << 63n) - 1n],
      ['2^63, whose first bit must be 0', 1n << 63n],
      ['2^64 - 1', (1n << 64n) - 1n],
    ] as const
  ).map(([name, length]) => ({
    name: `a length of ${name} is refused before its payload`,
    rule: 'RFC 6455 §5.2, §10.4',
    send: [lengthAs('', 127, uint64(length))],
    back: fails(1009),
    phases: BOTH,
  })),
];

const headers: readonly RawCase[] = [
  ...[
    ['text', OPCODE.TEXT],
    ['ping', OPCODE.PING],
    ['close', OPCODE.CLOSE],
  ].map(([name, opcode]) => ({
    name: `an unmasked ${name} is refused`,
    rule: 'RFC 6455 §5.1',
    send: [frame(opcode as number, opcode === OPCODE.TEXT ? ask('1') : '', { masked: false })],
    back: fails(1002),
    phases: BOTH,
  })),
  ...[4, 2, 1, 7].map((rsv) => ({
    name: `reserved bits ${rsv.toString(2).padStart(3, '0')} without an extension are refused`,
    rule: 'RFC 6455 §5.2',
    send: [text(ask('1'), { rsv })],
    back: fails(1002),
    phases: BOTH,
  })),
  {
    name: 'a reserved bit on a ping is refused',
    rule: 'RFC 6455 §5.2',
    send: [frame(OPCODE.PING, 'x', { rsv: 4 })],
    back: fails(1002),
    phases: BOTH,
  },
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => ({
    name: `opcode ${opcode} is refused`,
    rule: 'RFC 6455 §5.2',
    send: [frame(opcode, ask('1'))],
    back: fails(1002),
    phases: BOTH,
  })),
  {
    name: 'what came before a broken frame is answered',
    rule: 'RFC 6455 §7.1.7',
    send: [Buffer.concat([text(ask('1')), frame(3), text(ask('2'))])],
    back: ['1', ...fails(1002)],
  },
  {
    name: 'a binary message is refused',
    rule: 'RFC 6455 §7.4.1, PROTOCOL "Close codes"',
    send: [frame(OPCODE.BINARY, ask('1'))],
    back: fails(1003, 'text frames only'),
    phases: BOTH,
  },
  {
    name: 'a mask of zeros is a mask',
    rule: 'RFC 6455 §5.3',
    send: [lengthAs(ask('1'), ask('1').length, Buffer.alloc(0))],
    back: ['1', ...ON],
  },
];

/** The header with its mask of a frame of each form of length. */
const small = text(ask('1'));
const middle = text(askOf('1', 300));
const large = text(askOf('1', 65_536));

const pieces: readonly RawCase[] = [
  {
    name: 'a message that comes byte by byte is read whole',
    rule: 'RFC 6455 §5.2',
    send: chopped(text(ask('1'))),
    back: ['1', ...ON],
  },
  ...[1, 2, 3, 5, 6].map((at) => ({
    name: `a frame cut ${at} bytes from its start is read whole`,
    rule: 'RFC 6455 §5.2',
    send: cut(small, at),
    back: ['1', ...ON],
  })),
  ...[3, 4, 6, 8].map((at) => ({
    name: `a frame with a length of 16 bits, cut after ${at} bytes, is read whole`,
    rule: 'RFC 6455 §5.2',
    send: cut(middle, at),
    back: ['1', ...ON],
  })),
  ...[3, 9, 10, 13, 40_000].map((at) => ({
    name: `a frame with a length of 64 bits, cut after ${at} bytes, is read whole`,
    rule: 'RFC 6455 §5.2',
    send: cut(large, at),
    back: ['1', ...ON],
  })),
  {
    name: 'a hundred messages in one segment are each answered, in order',
    rule: 'RFC 6455 §5.4',
    send: [Buffer.concat(Array.from({ length: 100 }, (_, n) => text(ask(`${n}`))))],
    back: [...Array.from({ length: 100 }, (_, n) => `${n}`), ...ON],
  },
  {
    name: 'a segment that ends inside the second message loses neither',
    rule: 'RFC 6455 §5.4',
    send: cut(Buffer.concat([text(ask('1')), text(ask('2'))]), text(ask('1')).length + 9),
    back: ['1', '2', ...ON],
  },
];

describe('raw frames: header and length', function () {
  this.timeout(20_000);
  const bench = new RawBench();
  before(() => bench.start({ MAX_PAYLOAD: String(MAX_PAYLOAD) }));
  afterEach(() => bench.world.endRaw());
  after(() => bench.stop());

  describe('lengths', () => bench.all(lengths));
  describe('headers', () => bench.all(headers));
  describe('segments', () => bench.all(pieces));
});
