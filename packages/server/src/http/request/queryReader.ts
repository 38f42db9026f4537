import type { IncomingMessage } from 'node:http';
import type { FromSchema, JSONSchema } from '@unified-ws/protocol';
import { compileSchema } from '../../util/compileSchema.js';
import { faultOf } from './bodyReader.js';
import { invalid } from './restProblem.js';

interface QuerySchema extends JSONSchema {
  readonly properties: Readonly<Record<string, JSONSchema>>;
}

/**
 * Makes a reader of a request's query from the schema of an object. Numbers and booleans are written as in JSON, lists with
 * commas. Unknown parameters are refused: a misspelt filter must not clear more than intended.
 *
 * @returns a function that throws a RestProblem VALIDATION_ERROR if the query does not match.
 */
export function queryReader<const S extends QuerySchema>(schema: S): (request: IncomingMessage) => FromSchema<S> {
  const validate = compileSchema<FromSchema<S>>(schema);
  const known = new Map(Object.entries(schema.properties));
  return (request) => {
    const query: unknown = Object.fromEntries(read(request, known));
    if (validate(query)) return query;
    const { path, message } = faultOf(validate.errors?.[0]);
    throw invalid('The query is not valid.', path, message);
  };
}

function read(request: IncomingMessage, known: ReadonlyMap<string, JSONSchema>): Map<string, unknown> {
  const values = new Map<string, unknown>();
  for (const [name, text] of new URLSearchParams(queryOf(request.url ?? ''))) {
    const path = `/${name.slice(0, 64)}`;
    const schema = known.get(name);
    if (!schema) throw invalid('The query is not valid.', path, 'is not a known parameter');
    if (values.has(name)) throw invalid('The query is not valid.', path, 'must be given once');
    values.set(name, typedValue(text, schema));
  }
  return values;
}

/** Cut out by hand, because `URL` throws for some targets that Node.js accepts. */
function queryOf(target: string): string {
  const [whole = ''] = target.split('#', 1);
  const start = whole.indexOf('?');
  return start === -1 ? '' : whole.slice(start + 1);
}

/** Anything that is not a number or boolean stays text, and the schema then refuses it. */
function typedValue(text: string, { type }: JSONSchema): unknown {
  if (type === 'array') return text.split(',');
  if (type === 'integer' && /^\d{1,15}$/.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}
