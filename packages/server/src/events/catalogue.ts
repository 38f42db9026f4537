import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Catalogue, catalogueSchema, type EventTypeDefinition, type RoleDefinition } from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import { placeOfFault } from './jsonPlace.js';

/**
 * What events there are, who may receive them, and who gets which of them unasked. Immutable: a reload makes another.
 */
export class EventCatalogue {
  readonly roles: ReadonlyMap<string, RoleDefinition>;
  /** Group of the predecessor -> categories. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  readonly raw: Catalogue;
  // Maps: types and roles are looked up by what users send, and a plain object would find `constructor`.
  private readonly definitions: ReadonlyMap<string, EventTypeDefinition>;
  private readonly names: readonly string[];

  /** `raw` passed `parseCatalogue`. */
  constructor(raw: Catalogue) {
    this.raw = raw;
    this.definitions = new Map(Object.entries(raw.event_types));
    this.names = [...this.definitions.keys()];
    this.roles = new Map(Object.entries(raw.roles));
    this.groups = new Map(Object.entries(raw.groups));
  }

  /** The definition of an event type; undefined when there is no such type. */
  get(type: string): EventTypeDefinition | undefined {
    return this.definitions.get(type);
  }

  /** All event types, in the order of the file. */
  types(): readonly string[] {
    return this.names;
  }
}

/**
 * Loads the catalogue.
 *
 * @param path file of an own one (EVENT_CATALOGUE); default: the one that comes with the product.
 * @throws Error that names the file and the exact place of the first fault.
 */
export function loadCatalogue(path?: string): EventCatalogue {
  const file = path ?? createRequire(import.meta.url).resolve('@unified-ws/protocol/catalogue.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`event catalogue ${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  return parseCatalogue(text, file);
}

/** As `loadCatalogue`, from a text. `name` stands in error messages. */
export function parseCatalogue(text: string, name: string): EventCatalogue {
  const raw = parseJson(text, name);
  const validate = new Ajv({ strict: false }).compile<Catalogue>(catalogueSchema);
  if (!validate(raw)) {
    const [error] = validate.errors ?? [];
    const property = error?.params.additionalProperty ?? error?.params.propertyName ?? error?.propertyName;
    const place = `${error?.instancePath ?? ''}${typeof property === 'string' ? `/${property}` : ''}`;
    throw new Error(`event catalogue ${name}: at ${place || '/'}: ${error?.message ?? 'is not valid'}`);
  }
  const catalogue = new EventCatalogue(raw);
  checkNames(catalogue, name);
  return catalogue;
}

/** A name that leads nowhere is a misspelling: a default subscription would silently never come. */
function checkNames(catalogue: EventCatalogue, name: string): void {
  const categories = new Set(catalogue.types().map((type) => catalogue.get(type)?.category));
  for (const [role, { default_subscriptions }] of catalogue.roles) {
    for (const [index, type] of default_subscriptions.entries()) {
      if (catalogue.get(type)) continue;
      const place = `/roles/${role}/default_subscriptions/${index}`;
      throw new Error(`event catalogue ${name}: at ${place}: there is no event type '${type}'`);
    }
  }
  for (const [group, members] of catalogue.groups) {
    for (const [index, category] of members.entries()) {
      if (categories.has(category)) continue;
      throw new Error(
        `event catalogue ${name}: at /groups/${group}/${index}: no event type has category '${category}'`,
      );
    }
  }
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const { line, column } = placeOfFault(text);
    throw new Error(`event catalogue ${name}: line ${line}, column ${column}: ${message}`, { cause: error });
  }
}
