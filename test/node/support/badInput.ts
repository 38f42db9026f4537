import { clientFrame, type FrameOptions, OPCODE } from '../../support/rawClient.js';
import { badRequests } from './badRequests.js';

/** What must come of it. */
export type Expected =
  /** An `error` or `validation_error` of this code, and the connection goes on. */
  | { readonly error: string }
  /** The server closes with this code. */
  | { readonly close: number }
  /** A message of this type, and the connection goes on: odd, but allowed. */
  | { readonly reply: string }
  /** An HTTP answer of a status in this range, and the connection ends or goes on. */
  | { readonly status: readonly [from: number, to: number] }
  /** No answer while more may come: the client gives up. */
  | { readonly silence: true };

export interface BadInput {
  readonly name: string;
  /** Sent on an open connection of an admin, on one that is not authenticated, or as the first bytes of TCP. */
  readonly on: 'open' | 'unauthenticated' | 'tcp';
  readonly bytes: Buffer;
  readonly expected: Expected;
}

/** MAX_PAYLOAD of the node that this is sent to. */
export const PAYLOAD_LIMIT = 65_536;

const text = (payload: string, options?: FrameOptions): Buffer => clientFrame(payload, options);
const deep = (open: string, close: string, levels: number): string => open.repeat(levels) + close.repeat(levels);
const short = (value: string): string => JSON.stringify(value).slice(0, 60);

function notJson(): BadInput[] {
  const inputs = [
    '',
    ' ',
    '\0',
    '\ufeff{"type":"ping"}',
    'ping',
    '{',
    '}',
    '{}}',
    '{"type"',
    '{"type":',
    '{"type":"ping"',
    '{"type":"ping",}',
    "{'type':'ping'}",
    '{type:"ping"}',
    '{"type":"ping"}{"type":"ping"}',
    '{"type":"ping"} // comment',
    '/* */{"type":"ping"}',
    '{"type":"ping","data":NaN}',
    '{"type":"ping","data":Infinity}',
    '{"type":"ping","data":undefined}',
    '{"type":"ping","data":0x10}',
    '{"type":"ping","data":01}',
    '{"type":"ping","id":"\n"}',
    '{"type":"ping","id":"\\x41"}',
    '{"type":"ping","id":"\\u12"}',
    '<xml/>',
    'GET / HTTP/1.1\r\n\r\n',
    'a'.repeat(60_000),
    '['.repeat(60_000),
    '{"a":'.repeat(10_000),
    '"'.repeat(1001),
    '\\'.repeat(1000),
    '%7B%22type%22%3A%22ping%22%7D',
    'data: {"type":"ping"}',
    '42["ping"]',
  ];
  return inputs.map((input) => ({
    name: `not JSON: ${short(input)}`,
    on: 'open',
    bytes: text(input),
    expected: { error: 'MESSAGE_ERROR' },
  }));
}

function notEnvelopes(): BadInput[] {
  const values = ['null', 'true', '7', '-1e308', '"ping"', '[]', '[{"type":"ping"}]', deep('[', ']', 30_000)];
  const wrong = ['null', 'true', '7', '[]', '{}', '""', `"${'x'.repeat(1000)}"`];
  const envelopes = [
    '{}',
    '{"data":{}}',
    '{"Type":"ping"}',
    '{"__proto__":{"type":"ping"}}',
    '{"constructor":{"prototype":{"type":"ping"}}}',
    ...wrong.map((value) => `{"type":${value}}`),
    ...wrong.filter((value) => value !== '{}').map((value) => `{"type":"ping","data":${value}}`),
    ...wrong.map((value) => `{"type":"ping","id":${value}}`),
    `{"type":"ping","timestamp":${'7'}}`,
    `{"type":"ping","timestamp":"${'x'.repeat(65)}"}`,
    '{"type":["ping"]}',
    '{"type":{"toString":"ping"}}',
  ];
  return [...values, ...envelopes].map((input) => ({
    name: `no envelope: ${short(input)}`,
    on: 'open',
    bytes: text(input),
    expected: { error: 'MESSAGE_ERROR' },
  }));
}

function unknownTypes(): BadInput[] {
  const types = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'isPrototypeOf', 'prototype'];
  const odd = [
    'PING',
    'ping ',
    'ping\u0000',
    '../ping',
    '{{7*7}}',
    'ping;drop',
    'pïng',
    '💥',
    'authenticate',
    'heartbeat',
  ];
  return [...types, ...odd].map((type) => ({
    name: `unknown type ${short(type)}`,
    on: 'open',
    bytes: text(JSON.stringify({ type })),
    expected: { error: 'UNKNOWN_MESSAGE_TYPE' },
  }));
}

function wrongData(): BadInput[] {
  const values = [null, true, 7, 1.5, '', 'x', [], [null], [7], [[]], [{}], { length: 1 }, { 0: 'a' }];
  const fields: [type: string, field: string, rest: object, allowed: (value: unknown) => boolean][] = [
    ['subscribe_events', 'event_types', {}, () => false],
    ['unsubscribe_events', 'event_types', {}, () => false],
    ['subscribe_category', 'categories', {}, () => false],
    ['unsubscribe_category', 'categories', {}, () => false],
    ['refresh_token', 'token', {}, (value) => value === 'x'],
    ['disconnect_user', 'user_id', {}, (value) => value === 'x'],
    ['disconnect_user', 'reason', { user_id: 'nobody' }, (value) => typeof value === 'string'],
    ['disconnect_user', 'ban_seconds', { user_id: 'nobody' }, (value) => value === 7],
    ['publish_event', 'event_type', { data: {} }, () => false],
    ['publish_event', 'priority', { event_type: 'custom_event', data: {} }, () => false],
    ['publish_event', 'roles', { event_type: 'custom_event', data: {} }, () => false],
    ['pong', 'connection_id', {}, () => false],
    ['broadcast_admin_message', 'message', {}, (value) => value === 'x'],
    ['broadcast_admin_message', 'priority', { message: 'good day' }, () => false],
  ];
  return fields.flatMap(([type, field, rest, allowed]) =>
    values
      .filter((value) => !allowed(value))
      .map((value): BadInput => {
        const data = { ...rest, [field]: value };
        return {
          name: `${type} with ${field} ${JSON.stringify(value)}`,
          on: 'open',
          bytes: text(JSON.stringify({ type, data })),
          expected: { error: 'VALIDATION_ERROR' },
        };
      }),
  );
}

function oddData(): BadInput[] {
  const publish = (data: string): Buffer =>
    text(`{"type":"publish_event","data":{"event_type":"custom_event","data":${data}}}`);
  const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
  const refused = (name: string, bytes: Buffer): BadInput => ({
    name,
    on: 'open',
    bytes,
    expected: { error: 'VALIDATION_ERROR' },
  });
  const taken = (name: string, bytes: Buffer): BadInput => ({
    name,
    on: 'open',
    bytes,
    expected: { reply: 'event_accepted' },
  });
  return [
    refused('an event nested 1,000 deep', publish(nested(1000))),
    refused('an event nested 10,000 deep', publish(nested(10_000))),
    refused('an event with an array nested 30,000 deep', publish(`{"a":${deep('[', ']', 30_000)}}`)),
    refused('ping with data nested 10,000 deep', text(`{"type":"ping","data":${nested(10_000)}}`)),
    refused('data with __proto__ beside the schema', text('{"type":"ping","data":{"__proto__":{"x":1}}}')),
    refused('data with constructor', text('{"type":"ping","data":{"constructor":{"prototype":{}}}}')),
    refused(
      '10,000 unknown fields',
      text(`{"type":"ping","data":{${Array.from({ length: 5000 }, (_, n) => `"f${n}":0`)}}}`),
    ),
    taken('an event whose data have __proto__', publish('{"__proto__":{"polluted":true},"n":1}')),
    taken('an event whose data have constructor', publish('{"constructor":{"prototype":{"polluted":true}}}')),
    taken('an event with a lone surrogate', publish('{"name":"\\ud800"}')),
    taken('an event with every control character', publish(JSON.stringify({ text: '\u0000\u0001\u2028\u2029\u007f' }))),
    taken('an event with a key 1,000 long', publish(`{"${'k'.repeat(1000)}":1}`)),
    refused('an event with a number beyond all numbers', publish('{"n":1e999}')),
    {
      name: 'a type repeated in one object',
      on: 'open',
      bytes: text('{"type":"publish_event","type":"ping"}'),
      expected: { reply: 'pong' },
    },
    {
      name: 'an envelope of unknown fields',
      on: 'open',
      bytes: text(`{"type":"ping","x":${JSON.stringify('y'.repeat(60_000))}}`),
      expected: { reply: 'pong' },
    },
  ];
}

function badFrames(): BadInput[] {
  const closes = (close: number, frames: Readonly<Record<string, Buffer>>): BadInput[] =>
    Object.entries(frames).map(([name, bytes]) => ({ name, on: 'open', bytes, expected: { close } }));
  const opcodes = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15];
  const closeCodes = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535];
  const closeWith = (code: number): Buffer => {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    return clientFrame(payload, { opcode: OPCODE.CLOSE });
  };
  const many = (name: string, list: readonly number[], make: (n: number) => Buffer): Record<string, Buffer> =>
    Object.fromEntries(list.map((n) => [`${name} ${n}`, make(n)]));
  const start = text('{"type":', { fin: false });
  return [
    ...closes(1002, {
      ...many('opcode', opcodes, (opcode) => text('{}', { opcode })),
      ...many('opcode without an end', opcodes, (opcode) => text('{}', { opcode, fin: false })),
      ...many('reserved bits', [1, 2, 3, 4, 5, 6, 7], (rsv) => text('{"type":"ping"}', { rsv })),
      ...many('a close frame with the code', closeCodes, closeWith),
      'an unmasked text': text('{"type":"ping"}', { masked: false }),
      'an unmasked close': clientFrame('', { opcode: OPCODE.CLOSE, masked: false }),
      'a fragmented ping': clientFrame('x', { opcode: OPCODE.PING, fin: false }),
      'a ping of 126 bytes': clientFrame(Buffer.alloc(126), { opcode: OPCODE.PING }),
      'a pong of 65,536 bytes': clientFrame(Buffer.alloc(65_536), { opcode: OPCODE.PONG }),
      'a close frame of one byte': clientFrame('x', { opcode: OPCODE.CLOSE }),
      'a continuation of nothing': text('x', { opcode: OPCODE.CONTINUATION }),
      'a text within a fragmented text': Buffer.concat([start, text('{}')]),
      'a binary within a fragmented text': Buffer.concat([start, text('{}', { opcode: OPCODE.BINARY })]),
      'a compressed ping': clientFrame('x', { opcode: OPCODE.PING, rsv: 4 }),
    }),
    ...closes(1003, {
      'a binary frame': clientFrame(Buffer.from([0, 1, 2, 255]), { opcode: OPCODE.BINARY }),
      'an empty binary frame': clientFrame('', { opcode: OPCODE.BINARY }),
      'a binary frame of valid JSON': text('{"type":"ping"}', { opcode: OPCODE.BINARY }),
      'a fragmented binary frame': Buffer.concat([
        text('{"type":', { opcode: OPCODE.BINARY, fin: false }),
        text('"ping"}', { opcode: OPCODE.CONTINUATION }),
      ]),
    }),
    ...closes(1007, {
      ...Object.fromEntries(
        [
          [0xff],
          [0xc0, 0x80],
          [0xc3],
          [0xe2, 0x82],
          [0xed, 0xa0, 0x80],
          [0xf0, 0x9f, 0x92],
          [0xf5, 0x80, 0x80, 0x80],
          [0x80],
          [0xf8, 0x88, 0x80, 0x80, 0x80],
        ].map((bytes) => {
          const payload = Buffer.concat([Buffer.from('{"type":"ping","id":"'), Buffer.from(bytes), Buffer.from('"}')]);
          return [`invalid UTF-8 ${Buffer.from(bytes).toString('hex')}`, clientFrame(payload)];
        }),
      ),
      'invalid UTF-8 over two fragments': Buffer.concat([
        clientFrame(Buffer.from([0x22, 0xe2]), { fin: false }),
        clientFrame(Buffer.from([0x28, 0xa1, 0x22]), { opcode: OPCODE.CONTINUATION }),
      ]),
      'a close reason of invalid UTF-8': clientFrame(Buffer.from([0x03, 0xe8, 0xff]), { opcode: OPCODE.CLOSE }),
    }),
    ...closes(1009, {
      'a text of one byte too many': text('x'.repeat(PAYLOAD_LIMIT + 1)),
      'a text of 1 MiB': text('x'.repeat(1_048_576)),
      'a length of 2^32': text('', { length: 2 ** 32 }),
      'a length of 2^53 - 1': text('', { length: 2 ** 53 - 1 }),
      'fragments that grow beyond the limit': Buffer.concat([
        text('x'.repeat(40_000), { fin: false }),
        text('x'.repeat(40_000), { opcode: OPCODE.CONTINUATION, fin: false }),
      ]),
    }),
    ...closes(4008, {
      'junk five times': Buffer.concat(Array.from({ length: 5 }, () => text('junk'))),
      'unknown types fifty times': Buffer.concat(Array.from({ length: 50 }, () => text('{"type":"x"}'))),
    }),
    ...closes(4204, { 'pings without end': Buffer.concat(Array.from({ length: 500 }, () => text('{"type":"ping"}'))) }),
    {
      name: 'a text of exactly the limit',
      on: 'open',
      bytes: text('x'.repeat(PAYLOAD_LIMIT)),
      expected: { error: 'MESSAGE_ERROR' },
    },
    {
      name: 'a thousand empty fragments',
      on: 'open',
      bytes: Buffer.concat([
        text('{"type":"ping"}', { fin: false }),
        ...Array.from({ length: 1000 }, () => text('', { opcode: OPCODE.CONTINUATION, fin: false })),
        text('', { opcode: OPCODE.CONTINUATION }),
      ]),
      expected: { reply: 'pong' },
    },
  ];
}

function badFirstMessages(): BadInput[] {
  const closes = (close: number, messages: readonly (string | Buffer)[]): BadInput[] =>
    messages.map((message) => ({
      name: `before authentication: ${short(String(message))}`,
      on: 'unauthenticated',
      bytes: Buffer.isBuffer(message) ? message : text(message),
      expected: { close },
    }));
  return [
    ...closes(4100, [
      'junk',
      '{}',
      '[]',
      '{"type":"ping"}',
      '{"type":"__proto__"}',
      '{"type":"authenticate"}',
      '{"type":"authenticate","data":null}',
      '{"type":"authenticate","data":{"token":null}}',
      '{"type":"authenticate","data":{"token":""}}',
      '{"type":"authenticate","data":{"token":"x"}}',
      '{"type":"authenticate","data":{"token":"a.b.c","__proto__":{"x":1}}}',
      `{"type":"authenticate","data":{"token":"${'a'.repeat(8193)}"}}`,
      `{"type":"authenticate","data":{"token":"${'a'.repeat(8000)}"}}`,
      `{"type":"authenticate","data":{"token":"e30.e30.","client":"${'c'.repeat(76)}"}}`,
      '{"type":"authenticate","data":{"token":"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsImV4cCI6OTk5OTk5OTk5OX0."}}',
      '{"type":"authenticate","data":{"token":"eyJhbGciOiJIUzI1NiJ9.bm90IGpzb24.AAAA"}}',
    ]),
    ...closes(1003, [clientFrame('x', { opcode: OPCODE.BINARY })]),
    ...closes(1002, [text('x', { masked: false }), text('x', { opcode: 5 })]),
    ...closes(1007, [clientFrame(Buffer.from([0xff]))]),
    ...closes(1009, [text('x'.repeat(PAYLOAD_LIMIT + 1))]),
  ];
}

/** About 350 inputs that are wrong in one way each. @param token of an admin. */
export function badInputs(token: string): BadInput[] {
  return [
    ...notJson(),
    ...notEnvelopes(),
    ...unknownTypes(),
    ...wrongData(),
    ...oddData(),
    ...badFrames(),
    ...badFirstMessages(),
    ...badRequests(token),
  ];
}
