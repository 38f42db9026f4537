type Json = { readonly [key: string]: Json };

/** Which lists of objects in the answers of a document came with something in them: of what never comes nothing was checked. */
export class SeenLists {
  private readonly root: Json;
  private readonly lists = new Map<string, boolean>();

  /** @param document OpenAPI, parsed. */
  constructor(document: unknown) {
    this.root = document as Json;
  }

  /** Takes an answer of the operation into account. @param status as it was answered. */
  add(path: string, method: string, status: number, body: unknown): void {
    const content = this.root.paths?.[path]?.[method.toLowerCase()]?.responses?.[String(status)]?.content;
    const schema = content?.['application/json']?.schema;
    if (schema) this.walk(schema, body as Json, `${method} ${path}`);
  }

  /** The lists that were always empty. */
  get empty(): string[] {
    return [...this.lists].flatMap(([place, filled]) => (filled ? [] : [place]));
  }

  private walk(given: Json, value: Json | undefined | null, place: string): void {
    const name = (given.$ref as unknown as string | undefined)?.split('/').at(-1);
    const schema = name === undefined ? given : this.root.components?.schemas?.[name];
    if (!schema || typeof value !== 'object' || value === null) return;
    for (const variant of Object.values(schema.anyOf ?? {})) this.walk(variant, value, place);
    if (Array.isArray(value)) {
      const { items } = schema;
      if (items && (items.properties || items.$ref))
        this.lists.set(place, this.lists.get(place) === true || value.length > 0);
      for (const one of value) if (items) this.walk(items, one as Json, `${place}[]`);
      return;
    }
    for (const [key, inner] of Object.entries(schema.properties ?? {})) this.walk(inner, value[key], `${place}.${key}`);
  }
}
