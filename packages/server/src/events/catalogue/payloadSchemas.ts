import { isIPv4, isIPv6 } from 'node:net';
import type { Catalogue } from '@unified-ws/protocol';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { parseTime } from '../../util/parseTime.js';
import { deeperThan } from '../event/storedEvent.js';

/** Limits of the work that a custom catalogue adds to each publish and each reload. */
const MAX_SCHEMA_BYTES = 32_768;
const MAX_SCHEMAS_BYTES = 1_048_576;
const MAX_SCHEMA_DEPTH = 32;

/** The place of a fault in the data of an event, or in a schema. */
export interface PayloadFault {
  /** JSON pointer. */
  readonly path: string;
  readonly message: string;
}

/** An unusable schema. `path` points into the catalogue. */
export class PayloadSchemaError extends Error {
  override readonly name = 'PayloadSchemaError';
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/**
 * The payload schemas of a catalogue, compiled once. An unknown keyword or format is refused, not ignored: a misspelt limit would silently
 * have no effect.
 */
export class PayloadSchemas {
  private readonly compiled: ReadonlyMap<string, ValidateFunction>;

  /** @throws PayloadSchemaError with the place of the first fault. */
  constructor(types: Catalogue['event_types']) {
    // Most catalogues have no schema, and this step compiles the meta-schema.
    let ajv: Ajv | null = null;
    const compiled = new Map<string, ValidateFunction>();
    let total = 0;
    for (const [type, { schema }] of Object.entries(types)) {
      if (schema === undefined) continue;
      const path = `/event_types/${type}/schema`;
      total += checkSize(schema, path);
      if (total > MAX_SCHEMAS_BYTES) {
        throw new PayloadSchemaError(path, `the schemas have more than ${MAX_SCHEMAS_BYTES} bytes together`);
      }
      ajv ??= makeAjv();
      compiled.set(type, compile(ajv, schema, path));
    }
    this.compiled = compiled;
  }

  /** The first fault of an event's data, with a path that begins with `/data`; null if the type has no schema or the data matches. */
  fault(type: string, data: unknown): PayloadFault | null {
    const validate = this.compiled.get(type);
    if (!validate || validate(data)) return null;
    const [error] = validate.errors ?? [];
    return { path: `/data${pointerTo(error)}`, message: messageOf(error) };
  }
}

function makeAjv(): Ajv {
  return new Ajv({
    strictSchema: true,
    strictNumbers: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    allErrors: false,
    logger: false,
    formats: {
      'date-time': (text: string) => parseTime(text) !== null,
      date: /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/,
      ipv4: (text: string) => isIPv4(text),
      ipv6: (text: string) => isIPv6(text),
      uri: (text: string) => URL.canParse(text),
      uuid: /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i,
    },
  });
}

function checkSize(schema: object, path: string): number {
  if (deeperThan(schema, MAX_SCHEMA_DEPTH)) {
    throw new PayloadSchemaError(path, `must not be nested deeper than ${MAX_SCHEMA_DEPTH} levels`);
  }
  const bytes = Buffer.byteLength(JSON.stringify(schema));
  if (bytes > MAX_SCHEMA_BYTES) {
    throw new PayloadSchemaError(path, `has ${bytes} bytes as JSON, allowed are ${MAX_SCHEMA_BYTES}`);
  }
  return bytes;
}

function compile(ajv: Ajv, schema: object, path: string): ValidateFunction {
  if ('$async' in schema) throw new PayloadSchemaError(`${path}/$async`, 'is not supported');
  try {
    // First check by the meta-schema, which knows the place within the schema.
    if (ajv.validateSchema(schema) === true) return ajv.compile(schema);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new PayloadSchemaError(`${path}${placeOf(schema, message)}`, message);
  }
  const [error] = ajv.errors ?? [];
  throw new PayloadSchemaError(`${path}${error?.instancePath ?? ''}`, messageOf(error));
}

/** How ajv quotes the faulty name. The first place in the schema with that name is reported. */
const NAMED: readonly RegExp[] = [
  /unknown keyword: "([^"]+)"/,
  /unknown format "([^"]+)"/,
  /reference (\S+) from/,
  /key or ref "([^"]+)"/,
  /Invalid regular expression: \/(.*)\/[a-z]*:/,
];

function placeOf(schema: object, message: string): string {
  const name = NAMED.map((pattern) => pattern.exec(message)?.[1]).find((found) => found !== undefined);
  return name === undefined ? '' : (findPlace(schema, name) ?? '');
}

function findPlace(value: unknown, name: string): string | null {
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, inner] of Object.entries(value)) {
    const here = `/${escapePointer(key)}`;
    if (key === name || inner === name) return here;
    const below = findPlace(inner, name);
    if (below !== null) return `${here}${below}`;
  }
  return null;
}

function pointerTo(error: ErrorObject | undefined): string {
  const unknown: unknown = error?.params.additionalProperty ?? error?.params.unevaluatedProperty;
  const path = error?.instancePath ?? '';
  return typeof unknown === 'string' ? `${path}/${escapePointer(unknown.slice(0, 64))}` : path;
}

function messageOf(error: ErrorObject | undefined): string {
  if (error?.keyword === 'additionalProperties') return 'is not a known property';
  return error?.message ?? 'is not valid';
}

/** RFC 6901. */
function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
