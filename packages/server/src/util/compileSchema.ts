import { Ajv, type ValidateFunction } from 'ajv';

/** One for all: each compiler of its own compiles the schema of schemas anew, which took a third of the start of a node. */
const ajv = new Ajv({ strict: false });

/** Makes a validator of a schema that is part of the code; the validator is kept as long as the process runs. */
export function compileSchema<T>(schema: object): ValidateFunction<T> {
  return ajv.compile<T>(schema);
}
