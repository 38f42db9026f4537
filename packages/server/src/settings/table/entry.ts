/** The part of JSON Schema that the settings need. */
export type ValueSchema = Readonly<Record<string, unknown>>;

type Section =
  | 'Node'
  | 'Redis'
  | 'Tokens'
  | 'Edge and limits'
  | 'One connection per user'
  | 'Liveness'
  | 'Events'
  | 'Operations';

/** How the text of a variable becomes a value. `proxy` is only for `TRUST_PROXY`: false, a number, or a list. */
type Kind = 'integer' | 'boolean' | 'text' | 'list' | 'proxy';

/** One setting: the only place that defines its name, type, bounds, default and meaning. */
export interface Entry<E extends string = string, V = unknown> {
  /** The environment variable. Property and CLI flag follow from it. */
  readonly env: E;
  readonly section: Section;
  readonly kind: Kind;
  /** What ajv checks the value against. */
  readonly schema: ValueSchema;
  /** The schema in words, for messages and docs. */
  readonly allowed: string;
  readonly default: Default<V>;
  /** Default when `NODE_ENV=production`, if it differs. */
  readonly productionDefault?: V;
  /** Never shown in messages, logs, `console.log` or JSON. */
  readonly secret: boolean;
  /** One sentence, with the unit. */
  readonly meaning: string;
}

/** A value, or a function that derives it from the settings above it (`text` is for the docs). */
export type Default<V> = { readonly value: V } | { readonly derive: (known: KnownValues) => V; readonly text: string };

export type KnownValues = Readonly<Record<string, unknown>>;

/** `LEASE_TTL_MS` -> `leaseTtlMs`. */
export type PropertyOf<E extends string> = E extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<PropertyOf<Tail>>}`
  : Lowercase<E>;

/** `LEASE_TTL_MS` -> `leaseTtlMs`. */
export function propertyOf(env: string): string {
  return env.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** `LEASE_TTL_MS` -> `--lease-ttl-ms`. */
export function flagOf(env: string): string {
  return `--${env.toLowerCase().replaceAll('_', '-')}`;
}

interface Common {
  readonly section: Section;
  readonly meaning: string;
  readonly secret?: true;
}

export function integer<E extends string>(
  env: E,
  options: Common & { min: number; max: number; default: number | Default<number>; productionDefault?: number },
): Entry<E, number> {
  const { min, max } = options;
  return {
    ...common(env, options),
    kind: 'integer',
    schema: { type: 'integer', minimum: min, maximum: max },
    allowed: `an integer from ${min} to ${max}`,
    default: typeof options.default === 'number' ? { value: options.default } : options.default,
    ...(options.productionDefault === undefined ? {} : { productionDefault: options.productionDefault }),
  };
}

export function boolean<E extends string>(env: E, options: Common & { default: boolean }): Entry<E, boolean> {
  return {
    ...common(env, options),
    kind: 'boolean',
    schema: { type: 'boolean' },
    allowed: 'true or false',
    default: { value: options.default },
  };
}

interface TextShape {
  /** ajv keywords besides the type: `pattern`, `format`, `maxLength`. */
  readonly schema: ValueSchema;
  readonly allowed: string;
}

export function text<E extends string>(
  env: E,
  options: Common & TextShape & { default: string | Default<string> },
): Entry<E, string> {
  return {
    ...common(env, options),
    kind: 'text',
    schema: { type: 'string', ...options.schema },
    allowed: options.allowed,
    default: typeof options.default === 'string' ? { value: options.default } : options.default,
  };
}

/** A text that may be absent, which is null. */
export function optionalText<E extends string>(env: E, options: Common & TextShape): Entry<E, string | null> {
  return {
    ...common(env, options),
    kind: 'text',
    schema: { type: 'string', ...options.schema },
    allowed: options.allowed,
    default: { value: null },
  };
}

export function choice<E extends string, C extends string>(
  env: E,
  options: Common & { values: readonly C[]; default: NoInfer<C> },
): Entry<E, C> {
  return {
    ...common(env, options),
    kind: 'text',
    schema: { type: 'string', enum: options.values },
    allowed: `one of ${options.values.join(', ')}`,
    default: { value: options.default },
  };
}

/** A comma-separated list. */
export function list<E extends string, V extends string = string>(
  env: E,
  options: Common & {
    items: ValueSchema;
    allowed: string;
    default: readonly NoInfer<V>[];
    productionDefault?: readonly NoInfer<V>[];
  },
): Entry<E, readonly V[]> {
  return {
    ...common(env, options),
    kind: 'list',
    schema: { type: 'array', items: { type: 'string', ...options.items }, uniqueItems: true },
    allowed: options.allowed,
    default: { value: options.default },
    ...(options.productionDefault ? { productionDefault: options.productionDefault } : {}),
  };
}

/** The value of `TRUST_PROXY`: nobody, a number of hops, or addresses. */
export type TrustProxy = false | number | readonly string[];

export function proxy<E extends string>(env: E, options: Common): Entry<E, TrustProxy> {
  return {
    ...common(env, options),
    kind: 'proxy',
    schema: {
      anyOf: [
        { const: false },
        { type: 'integer', minimum: 1, maximum: 32 },
        { type: 'array', items: { type: 'string', format: 'proxy' }, minItems: 1, uniqueItems: true },
      ],
    },
    allowed:
      'false, a number of hops from 1 to 32, or a comma-separated list of IP addresses, CIDR ranges and the names loopback, linklocal, uniquelocal',
    default: { value: false },
  };
}

function common<E extends string>(env: E, options: Common) {
  return { env, section: options.section, meaning: options.meaning, secret: options.secret === true };
}
