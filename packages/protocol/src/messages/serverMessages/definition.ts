import type { JSONSchema } from '../../schemas/schema.js';

export interface ServerMessageDefinition {
  readonly meaning: string;
  /** Schema of `data`. Clients ignore unknown fields, because later versions may add some. */
  readonly data: JSONSchema;
}
