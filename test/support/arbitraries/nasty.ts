import fc from 'fast-check';
import { Raw } from './tree.js';

/** Texts that have broken parsers, keys and logs before. */
const STRINGS = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'x\udc00y',
  '\ud83d\ude00',
  '\u2028\u2029',
  '\u202e',
  '\ufeff',
  '\r\n',
  'é',
  'e\u0301',
  'İ',
  'ß',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'null',
  'undefined',
  'NaN',
  'true',
  '-1',
  '1e999',
  '0x10',
  '../../etc/passwd',
  '{}',
  '{u:x}:conn',
  '*',
  '$(id)',
  '%00',
  '%s%n',
  "';--",
  '<script>',
  '{{7*7}}',
  'a,b',
  'a b',
  'a.b',
  '~',
  '.',
  '..',
  '/',
  '\\',
  '"',
  '(',
  'x'.repeat(64),
  'x'.repeat(65),
  'x'.repeat(128),
  'x'.repeat(129),
  'é'.repeat(64),
  'é'.repeat(65),
  '💥'.repeat(32),
  '💥'.repeat(33),
  '💥'.repeat(128),
  '9'.repeat(20),
  `${'9'.repeat(20)}-${'9'.repeat(20)}`,
];

/** Names that are special in JavaScript. */
const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty'];

export const nastyString: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...STRINGS) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  { weight: 1, arbitrary: fc.string({ maxLength: 300 }) },
);

/** Valid and invalid numbers in a JSON text. */
const nastyNumber: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(0, -1, 1.5, -0.5, 2 ** 31, 2 ** 32, 2 ** 53, 1e21, -1e21, 65_536, 1_000_000_001),
  fc.constantFrom('-0', '1e999', '-1e999', '1e-999', '9007199254740993', '1'.repeat(400), '0.1e1').map(raw),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

/** Not JSON, though some parsers accept it. */
const notJson: fc.Arbitrary<Raw> = fc
  .constantFrom(
    'NaN',
    'Infinity',
    '-Infinity',
    'undefined',
    '0x10',
    '01',
    '+1',
    '.5',
    '1.',
    "'x'",
    '"\n"',
    '"\\x41"',
    '',
    ',',
    '}',
  )
  .map(raw);

/** Nested far deeper than any real value. */
export const deep: fc.Arbitrary<Raw> = fc
  .tuple(fc.constantFrom(10, 33, 100, 1000, 5000), fc.constantFrom('[', '{'))
  .map(([levels, kind]) => raw(kind === '[' ? '['.repeat(levels) + ']'.repeat(levels) : nested(levels)));

const long: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom(201, 257, 1025, 2001, 8193, 20_000), fc.constantFrom('x', '\\', '"', '\0', 'é', '💥', '1'))
  .map(([length, character]) => character.repeat(Math.floor(length / Buffer.byteLength(character))));

/** Any JSON value, mostly small. */
export const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom<unknown>(null, true, false, 0, 7, 1.5, '', 'x', [], {}, [[]], [{}], [null], {
      length: 1,
    }),
  },
  { weight: 2, arbitrary: nastyString },
  { weight: 2, arbitrary: nastyNumber },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.array(nastyString, { maxLength: 5 }) },
  { weight: 1, arbitrary: long },
);

/** As `anyJson`, and also values that are not JSON. */
export const anything: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 24, arbitrary: anyJson },
  { weight: 1, arbitrary: notJson },
  { weight: 1, arbitrary: deep },
);

export const nastyName: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...PROTOTYPE_NAMES, '', 'x'.repeat(1000), 'Type', 'data', 'id'),
  nastyString,
);

/** Any JSON object, such as the data of an event. */
export const anyObject: fc.Arbitrary<Record<string, unknown>> = fc
  .array(fc.tuple(fc.oneof(fc.string({ maxLength: 10 }), nastyName), anyJson), { maxLength: 5 })
  .map((members) => Object.fromEntries(members));

function raw(text: string): Raw {
  return new Raw(text);
}

function nested(levels: number): string {
  return `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
}
