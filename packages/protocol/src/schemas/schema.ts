/**
 * The part of JSON Schema (draft 7) that the wire contract uses, and the TypeScript type of the values that a schema accepts.
 *
 * Defined here and not imported from a library: browser projects use the declarations of this package without installing anything else,
 * so an imported type would not resolve there (test/unit/protocol/types.test.ts compares the two).
 */
type JsonType = 'string' | 'number' | 'integer' | 'boolean' | 'object' | 'array' | 'null';

/** A schema. An unknown keyword does not compile, so a misspelt limit cannot silently have no effect. */
export interface JSONSchema {
  readonly $id?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: JsonType | readonly JsonType[];
  readonly const?: string | number | boolean | null;
  readonly enum?: readonly (string | number | boolean | null)[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: JSONSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, JSONSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JSONSchema;
  readonly propertyNames?: JSONSchema;
  readonly maxProperties?: number;
  readonly not?: JSONSchema;
  readonly anyOf?: readonly JSONSchema[];
}

/**
 * The type of the values that schema `S` accepts (`S` is the type of an `as const` object).
 * Arrays are readonly: a decoded message is never changed in place. An object schema without `properties` accepts any JSON object. One with
 * `properties` has exactly these in TypeScript, even if it accepts the additional ones of a newer peer.
 */
export type FromSchema<S> = S extends { readonly const: infer C }
  ? C
  : S extends { readonly enum: readonly (infer E)[] }
    ? E
    : S extends { readonly type: readonly (infer T)[] }
      ? FromType<T, S>
      : S extends { readonly type: infer T }
        ? FromType<T, S>
        : S extends { readonly anyOf: readonly (infer A)[] }
          ? FromSchema<A>
          : unknown;

type FromType<T, S> = T extends 'string'
  ? string
  : T extends 'number' | 'integer'
    ? number
    : T extends 'boolean'
      ? boolean
      : T extends 'null'
        ? null
        : T extends 'array'
          ? FromArray<S>
          : T extends 'object'
            ? FromObject<S>
            : never;

type FromArray<S> = S extends { readonly items: infer I } ? readonly FromSchema<I>[] : readonly unknown[];

type FromObject<S> = S extends { readonly properties: infer P }
  ? [keyof P] extends [never]
    ? Readonly<Record<string, never>>
    : Simplify<
        { readonly [K in keyof P & RequiredOf<S>]: FromSchema<P[K]> } & {
          readonly [K in Exclude<keyof P, RequiredOf<S>>]?: FromSchema<P[K]>;
        }
      >
  : S extends { readonly additionalProperties: infer A extends JSONSchema }
    ? Readonly<Record<string, FromSchema<A>>>
    : Readonly<Record<string, unknown>>;

type RequiredOf<S> = S extends { readonly required: readonly (infer R)[] } ? R : never;

type Simplify<T> = { [K in keyof T]: T[K] };
