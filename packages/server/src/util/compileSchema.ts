import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';

/**
 * For schemas that are part of the code. A test checks that they are valid schemas: compiling the meta-schema took longer than compiling
 * all of them together.
 */
const ajv = new Ajv({ strict: false, meta: false, validateSchema: false });

/** Checks whether a value matches a schema. */
export interface Validator<T = unknown> {
  (value: unknown): value is T;
  /** Errors of the last value; null if it matched. */
  errors: readonly ErrorObject[] | null;
}

/**
 * Makes a validator of a schema that is part of the code. The schema is compiled at first use and kept as long as the process runs, so a
 * node starts without compiling schemas that are not used yet.
 */
export function compileSchema<T>(schema: object): Validator<T> {
  let compiled: ValidateFunction<T> | null = null;
  const validate = (value: unknown): value is T => {
    compiled ??= ajv.compile<T>(schema);
    const matches = compiled(value);
    validator.errors = compiled.errors ?? null;
    return matches;
  };
  const validator: Validator<T> = Object.assign(validate, { errors: null });
  return validator;
}
