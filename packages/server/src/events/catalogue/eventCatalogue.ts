import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import {
  type Catalogue,
  catalogueSchema,
  type EventTypeDefinition,
  type Permission,
  type RoleDefinition,
} from '@unified-ws/protocol';
import { compileSchema } from '../../util/compileSchema.js';
import { placeOfFault } from '../../util/placeOfFault.js';
import { type PayloadFault, PayloadSchemaError, PayloadSchemas } from './payloadSchemas.js';

/** An unusable catalogue. The message names the file and the exact place of the first fault. */
export class CatalogueError extends Error {
  override readonly name = 'CatalogueError';
}

/**
 * Defaults of event types that the product itself publishes. A custom catalogue may be older than these fields, and an announcement comes
 * from an admin in it too.
 */
const OF_THE_PRODUCT: Readonly<Record<string, Partial<EventTypeDefinition>>> = {
  admin_broadcast: {
    publish_permission: 'admin:broadcast',
    server_fields: { from_admin: 'publisher', broadcast_time: 'accepted_at' },
  },
};

const validate = compileSchema<Catalogue>(catalogueSchema);

/** Permission to publish events of a type that names none. */
const PUBLISH: Permission = 'events:publish';

/** Permission to publish events of a type. */
export function publishPermission({ publish_permission }: EventTypeDefinition): string {
  return publish_permission ?? PUBLISH;
}

/**
 * The event types, who may receive them, and the default subscriptions. Immutable: a reload creates a new object.
 */
export class EventCatalogue {
  readonly roles: ReadonlyMap<string, RoleDefinition>;
  /** Group of the predecessor -> categories. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  readonly raw: Catalogue;
  // Maps: users send the names of types and roles, and a plain object would find `constructor`.
  private readonly definitions: ReadonlyMap<string, EventTypeDefinition>;
  private readonly names: readonly string[];
  private readonly payloads: PayloadSchemas;
  private readonly byCategory: ReadonlyMap<string, readonly string[]>;

  /**
   * @param raw has passed `parseCatalogue`.
   * @throws PayloadSchemaError for an unusable payload schema.
   */
  constructor(raw: Catalogue) {
    this.raw = raw;
    this.payloads = new PayloadSchemas(raw.event_types);
    this.definitions = new Map(
      Object.entries(raw.event_types).map(([type, definition]) => [type, { ...OF_THE_PRODUCT[type], ...definition }]),
    );
    this.names = [...this.definitions.keys()];
    this.roles = new Map(Object.entries(raw.roles));
    this.groups = new Map(Object.entries(raw.groups));
    const byCategory = new Map<string, string[]>();
    for (const [type, { category }] of this.definitions) {
      const members = byCategory.get(category);
      if (members) members.push(type);
      else byCategory.set(category, [type]);
    }
    this.byCategory = byCategory;
  }

  /** The definition of an event type; undefined if the type does not exist. */
  get(type: string): EventTypeDefinition | undefined {
    return this.definitions.get(type);
  }

  /** All event types, in the order of the file. */
  types(): readonly string[] {
    return this.names;
  }

  /** The types of a category; empty if the category does not exist. */
  typesOf(category: string): readonly string[] {
    return this.byCategory.get(category) ?? [];
  }

  /**
   * The categories that a name means: the category of that name, and those of the group of that name. Some names are both (`system` is a
   * category, and a group of itself and `error`). Empty if there is neither.
   */
  categoriesOf(name: string): readonly string[] {
    const own = this.byCategory.has(name) ? [name] : [];
    return [...new Set([...own, ...(this.groups.get(name) ?? [])])];
  }

  /** The fault of `data` by the payload schema of the type; null if there is none. */
  payloadFault(type: string, data: unknown): PayloadFault | null {
    return this.payloads.fault(type, data);
  }
}

/**
 * Loads the catalogue.
 *
 * @param path file of a custom catalogue (EVENT_CATALOGUE); null or absent: the default catalogue.
 * @throws CatalogueError that names the file and the exact place of the first fault.
 */
export function loadCatalogue(path: string | null = null): EventCatalogue {
  const file = path ?? createRequire(import.meta.url).resolve('@unified-ws/protocol/catalogue.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CatalogueError(`event catalogue ${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  return parseCatalogue(text, file);
}

/** As `loadCatalogue`, from a text. Error messages name the source `name`. */
export function parseCatalogue(text: string, name: string): EventCatalogue {
  const raw = parseJson(text, name);
  if (!validate(raw)) {
    const [error] = validate.errors ?? [];
    const property = error?.params.additionalProperty ?? error?.params.propertyName ?? error?.propertyName;
    const place = `${error?.instancePath ?? ''}${typeof property === 'string' ? `/${property}` : ''}`;
    throw new CatalogueError(`event catalogue ${name}: at ${place || '/'}: ${error?.message ?? 'is not valid'}`);
  }
  const catalogue = build(raw, name);
  checkNames(catalogue, name);
  return catalogue;
}

function build(raw: Catalogue, name: string): EventCatalogue {
  try {
    return new EventCatalogue(raw);
  } catch (error) {
    if (!(error instanceof PayloadSchemaError)) throw error;
    throw new CatalogueError(`event catalogue ${name}: at ${error.path}: ${error.message}`, { cause: error });
  }
}

/** An unknown name is a misspelling: the default subscription would silently have no effect. */
function checkNames(catalogue: EventCatalogue, name: string): void {
  const categories = new Set(catalogue.types().map((type) => catalogue.get(type)?.category));
  for (const [role, { default_subscriptions }] of catalogue.roles) {
    for (const [index, type] of default_subscriptions.entries()) {
      if (catalogue.get(type)) continue;
      const place = `/roles/${role}/default_subscriptions/${index}`;
      throw new CatalogueError(`event catalogue ${name}: at ${place}: there is no event type '${type}'`);
    }
  }
  for (const [group, members] of catalogue.groups) {
    for (const [index, category] of members.entries()) {
      if (categories.has(category)) continue;
      throw new CatalogueError(
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
    throw new CatalogueError(`event catalogue ${name}: line ${line}, column ${column}: ${message}`, { cause: error });
  }
}
