import type { JSONSchema } from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { anyObject, nastyString } from './nasty.js';

/** Values that exist on the tested server, by name of the property: a connected user, a type of the catalogue. */
export type Hints = Readonly<Record<string, fc.Arbitrary<unknown>>>;

const ajv = new Ajv({ strict: false });
/** Usual maximum length of lists; one list in a hundred has the maximum of its schema. */
const USUAL_ITEMS = 4;
const USUAL_LENGTH = 24;

/** Values that the schema accepts. */
export function validOf(schema: JSONSchema, hints: Hints = {}): fc.Arbitrary<unknown> {
  const made = arbitraryOf(schema, hints);
  // Hints and patterns ignore limits, and `not` cannot be built here.
  const validate = ajv.compile(schema);
  return made.filter((value) => validate(value));
}

function arbitraryOf(schema: JSONSchema, hints: Hints): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => arbitraryOf(one, hints)));
  if (Array.isArray(schema.type))
    return fc.oneof(...schema.type.map((type) => arbitraryOf({ ...schema, type }, hints)));
  switch (schema.type) {
    case 'null':
      return fc.constant(null);
    case 'number':
    case 'string':
      return text(schema);
    case 'integer':
      return whole(schema);
    case 'boolean':
      return fc.boolean();
    case 'array':
      return list(schema, hints);
    case 'object':
      return object(schema, hints);
    default:
      throw new Error(`no values are made of ${JSON.stringify(schema)}`);
  }
}

function text({ pattern, minLength = 0, maxLength = USUAL_LENGTH }: JSONSchema): fc.Arbitrary<string> {
  const usual = { minLength, maxLength: Math.max(minLength, Math.min(maxLength, USUAL_LENGTH)) };
  if (pattern !== undefined) {
    const matching = fc.stringMatching(new RegExp(pattern)).filter(({ length }) => length <= maxLength);
    return pattern === '\\S' ? fc.string({ ...usual, unit: 'grapheme-ascii' }).map((some) => `${some}x`) : matching;
  }
  return fc.oneof(
    { weight: 6, arbitrary: fc.string(usual) },
    { weight: 3, arbitrary: fc.string({ ...usual, unit: 'binary' }) },
    {
      weight: 4,
      arbitrary: nastyString.filter((some) => [...some].length >= minLength && [...some].length <= maxLength),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom('x', 'é', '💥').map((character) => character.repeat(Math.min(maxLength, 2000))),
    },
  );
}

function whole({ minimum = -(2 ** 31), maximum = 2 ** 31 }: JSONSchema): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(minimum, maximum) },
    { weight: 2, arbitrary: fc.integer({ min: minimum, max: Math.min(maximum, minimum + 100) }) },
    { weight: 1, arbitrary: fc.integer({ min: minimum, max: maximum }) },
  );
}

function list({ items = {}, minItems = 0, maxItems = 10 }: JSONSchema, hints: Hints): fc.Arbitrary<unknown[]> {
  const item = arbitraryOf(items, hints);
  return fc.oneof(
    { weight: 99, arbitrary: fc.array(item, { minLength: minItems, maxLength: Math.min(maxItems, USUAL_ITEMS) }) },
    { weight: 1, arbitrary: item.map((one) => Array.from({ length: maxItems }, () => one)) },
  );
}

function object({ properties, required = [] }: JSONSchema, hints: Hints): fc.Arbitrary<Record<string, unknown>> {
  if (properties === undefined) return anyObject;
  const members = Object.entries(properties).map(([name, schema]) => {
    const generic = arbitraryOf(schema, hints);
    const hint = Object.hasOwn(hints, name) ? hints[name] : undefined;
    if (hint === undefined) return [name, generic] as const;
    // For a list the hint is one item.
    const meant =
      schema.type === 'array' ? fc.array(hint, { minLength: schema.minItems ?? 0, maxLength: USUAL_ITEMS }) : hint;
    return [name, fc.oneof({ weight: 3, arbitrary: meant }, { weight: 1, arbitrary: generic })] as const;
  });
  const whole = fc.record(Object.fromEntries(members), { requiredKeys: [...required], noNullPrototype: true });
  const optional = Object.keys(properties).filter((name) => !required.includes(name));
  // With half of all optional fields, most values would contradict themselves.
  const some = fc
    .tuple(whole, fc.subarray(optional, { maxLength: Math.min(2, optional.length) }))
    .map(([value, kept]) => {
      return Object.fromEntries(
        Object.entries(value).filter(([name]) => required.includes(name) || kept.includes(name)),
      );
    });
  return fc.oneof({ weight: 1, arbitrary: whole }, { weight: 2, arbitrary: some });
}
