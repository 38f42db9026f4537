import type { JSONSchema } from '../../schemas/schema.js';

export interface ServerMessageDefinition {
  readonly meaning: string;
  /** Schema of `data`. A client ignores fields that it does not know: later versions may add some. */
  readonly data: JSONSchema;
}
