import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';

/** A part of a document, read by its keys. */
export type Json = { readonly [key: string]: Json };

/** Below these keys a document has values, not schemas. */
const VALUES = new Set(['example', 'examples', 'enum', 'const', 'default']);

/**
 * The document with every object schema closed that does not mention additional properties. Documents leave answers open, because later
 * versions may add fields. A test of this version must notice undescribed ones.
 */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    copy[key] = VALUES.has(key) || key.startsWith('x-') ? inner : closed(inner);
  }
  const isObject = [copy.type].flat().includes('object') && typeof copy.properties === 'object';
  if (isObject && copy.additionalProperties === undefined) copy.additionalProperties = false;
  return copy;
}

/** Schemas of one document, by their place in it. JSON Schema 2020-12, which is the dialect of OpenAPI 3.1. */
export class DocumentSchemas {
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true });
  private readonly compiled = new Map<string, ValidateFunction>();

  constructor(document: unknown) {
    this.ajv.addSchema(closed(document) as object, 'document');
  }

  /**
   * The faults of the value; empty: none.
   *
   * @param place keys from the root of the document to the schema.
   */
  faults(place: readonly string[], value: unknown): string[] {
    const pointer = place
      .map((key) => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`)
      .join('');
    let validate = this.compiled.get(pointer);
    if (!validate) {
      validate = this.ajv.compile({ $ref: `document#${pointer}` });
      this.compiled.set(pointer, validate);
    }
    return validate(value) ? [] : (validate.errors ?? []).map(described);
  }
}

function described({ instancePath, message, params }: ErrorObject): string {
  return `${instancePath || '(the whole)'} ${message} ${JSON.stringify(params)}`;
}
