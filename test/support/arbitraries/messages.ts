import { type ClientMessageType, clientMessages, MAX_MESSAGE_ID_LENGTH } from '@unified-ws/protocol';
import fc from 'fast-check';
import { broken } from './broken.js';
import { anyObject, anything, nastyName, nastyString } from './nasty.js';
import { Raw, render } from './tree.js';
import { type Hints, validOf } from './valid.js';

const TYPES = Object.keys(clientMessages) as ClientMessageType[];

/** Texts that are not JSON, or not an object. */
const rawText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '\0',
    'null',
    'true',
    '7',
    '1e999',
    '-0',
    '""',
    '[]',
    '[{"type":"ping"}]',
    '{',
    '{}}',
    '{"type"',
    "{'type':'ping'}",
    '{"type":"ping"}{"type":"ping"}',
    '\ufeff{"type":"ping"}',
    '{"type":"ping"}\0',
    '{"type":"ping",}',
    '42["ping"]',
    '\\',
    '\u2028',
  ),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.json({ maxDepth: 3 }),
  anything.map(render),
);

/** White space that JSON allows around a message, and some that it does not. */
const padding: fc.Arbitrary<string> = fc.constantFrom('', '', '', '', ' ', '\r\n\t ', '\u00a0', '\ufeff', '\0');

const envelopeExtras: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  { weight: 16, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('2026-11-23T00:00:00Z', '', 'x', 'x'.repeat(65), 7, null, {})
      .map((timestamp) => ({ timestamp })),
  },
  { weight: 1, arbitrary: fc.tuple(nastyName, anything).map(([name, value]) => Object.fromEntries([[name, value]])) },
);

const id: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  { weight: 24, arbitrary: fc.nat().map((n) => ({ id: `f${n}` })) },
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 3, arbitrary: nastyString.map((text) => ({ id: text })) },
  { weight: 1, arbitrary: anything.map((value) => ({ id: value })) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1).map((more) => ({ id: 'i'.repeat(MAX_MESSAGE_ID_LENGTH + more) })) },
);

export interface MessageArbitraries {
  /** Messages of one type with data that the schema accepts. */
  readonly valid: (type: ClientMessageType) => fc.Arbitrary<string>;
  /** Anything that a peer may send, as the text of a frame. */
  readonly any: fc.Arbitrary<string>;
}

/** What peers may send, made from the schemas of the protocol. @param hints values that exist on the tested server. */
export function messageTexts(hints: Hints): MessageArbitraries {
  const data = new Map(TYPES.map((type) => [type, validOf(clientMessages[type].data, hints)]));
  const dataOf = (type: ClientMessageType): fc.Arbitrary<unknown> => data.get(type) as fc.Arbitrary<unknown>;
  const envelope = (type: fc.Arbitrary<unknown>, inner: fc.Arbitrary<unknown>): fc.Arbitrary<object> =>
    fc.tuple(type, inner, id, envelopeExtras).map(([name, value, ids, extras]) => ({
      type: name,
      ...(value === undefined ? {} : { data: value }),
      ...ids,
      ...extras,
    }));
  const validOfType = (type: ClientMessageType): fc.Arbitrary<string> =>
    envelope(fc.constant(type), dataOf(type)).map(render);
  const type = fc.constantFrom(...TYPES);
  const valid = type.chain(validOfType);
  const withData = fc.constantFrom(
    ...TYPES.filter((name) => Object.keys(clientMessages[name].data.properties).length > 0),
  );
  const wrongData = withData.chain((name) => envelope(fc.constant(name), broken(dataOf(name)))).map(render);
  const anyData = type
    .chain((name) => envelope(fc.constant(name), fc.oneof(anyObject, anyObject, anything)))
    .map(render);
  const wrongEnvelope = type.chain((name) => broken(envelope(fc.constant(name), dataOf(name)))).map(render);
  const wrongType = envelope(fc.oneof(nastyName, anything), fc.constantFrom({}, undefined, new Raw('null'))).map(
    render,
  );
  const truncated = fc.tuple(valid, fc.nat(200)).map(([text, cut]) => text.slice(0, -1 - (cut % text.length)));
  const any = fc.oneof(
    { weight: 8, arbitrary: valid },
    { weight: 12, arbitrary: wrongData },
    { weight: 3, arbitrary: anyData },
    { weight: 2, arbitrary: wrongEnvelope },
    { weight: 2, arbitrary: wrongType },
    { weight: 2, arbitrary: rawText },
    { weight: 1, arbitrary: truncated },
    { weight: 1, arbitrary: fc.tuple(padding, valid, padding).map((parts) => parts.join('')) },
  );
  return { valid: validOfType, any };
}
