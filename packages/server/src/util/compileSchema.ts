import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';

/**
 * For schemas that are part of the code. That they are schemas at all is for a test to check: the schema of schemas took longer to compile
 * than all of them together.
 */
const ajv = new Ajv({ strict: false, meta: false, validateSchema: false });

/** Tells whether a value matches a schema. */
export interface Validator<T = unknown> {
  (value: unknown): value is T;
  /** Of the last value; null when it matched. */
  errors: readonly ErrorObject[] | null;
}

/**
 * Makes a validator of a schema that is part of the code. It is compiled when it is first used, and kept as long as the process runs: a
 * node starts without those that nobody needs yet.
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
