import type { JSONSchema } from './schema.js';

/** Parts that schemas of answers are made of. */
export const text = { type: 'string' } as const satisfies JSONSchema;
export const textOrNull = { type: ['string', 'null'] } as const satisfies JSONSchema;
export const texts = { type: 'array', items: text } as const satisfies JSONSchema;
export const textsOrNull = { type: ['array', 'null'], items: text } as const satisfies JSONSchema;
export const time = { type: 'string', description: 'RFC 3339, UTC' } as const satisfies JSONSchema;
export const timeOrNull = { type: ['string', 'null'], description: 'RFC 3339, UTC' } as const satisfies JSONSchema;
export const flag = { type: 'boolean' } as const satisfies JSONSchema;
export const flagOrNull = { type: ['boolean', 'null'] } as const satisfies JSONSchema;
export const count = { type: 'integer', minimum: 0 } as const satisfies JSONSchema;
export const countOrNull = { type: ['integer', 'null'], minimum: 0 } as const satisfies JSONSchema;
export const amount = { type: 'number', minimum: 0 } as const satisfies JSONSchema;
/** Counts by names that are not fixed, such as codes. */
export const tally = { type: 'object', additionalProperties: count } as const satisfies JSONSchema;

/** The properties of an object of whole numbers. */
export function counts<const K extends string>(...names: readonly K[]): { readonly [P in K]: typeof count } {
  return Object.fromEntries(names.map((name) => [name, count])) as { [P in K]: typeof count };
}

export function amounts<const K extends string>(...names: readonly K[]): { readonly [P in K]: typeof amount } {
  return Object.fromEntries(names.map((name) => [name, amount])) as { [P in K]: typeof amount };
}

/** An object whose properties are all required. */
export function whole<const P extends Readonly<Record<string, JSONSchema>>>(properties: P) {
  const required = Object.keys(properties) as (keyof P & string)[];
  return { type: 'object', properties, required } as const;
}

export function listOf<const S extends JSONSchema>(items: S) {
  return { type: 'array', items } as const;
}
