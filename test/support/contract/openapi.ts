import { DocumentSchemas, type Json } from './schemas.js';

/** An operation as the document describes it. */
interface DocumentedOperation {
  readonly id: string;
  /** In upper case. */
  readonly method: string;
  /** With `{parameter}`s. */
  readonly path: string;
  readonly tags: readonly string[];
  /** One of these permissions is enough. Empty: any valid token. Null: public, no authentication. */
  readonly permissions: readonly string[] | null;
  /** Possible statuses of answers. */
  readonly statuses: readonly number[];
  /** Arguments made from the examples of the document. */
  readonly example: CallArguments;
}

/** Arguments of a call, by the names of the document. */
export interface CallArguments {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** For `fetch(base + target, init)`. */
interface PreparedCall {
  readonly target: string;
  readonly init: { readonly method: string; readonly headers: Record<string, string>; readonly body?: string };
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface OpenApiContract {
  readonly operations: readonly DocumentedOperation[];
  operation(id: string): DocumentedOperation;
  /** The operation of a request, by method and path (a query may follow); null: there is none. */
  match(method: string, target: string): DocumentedOperation | null;
  /** A call built from the document alone. @throws Error for an unknown or a missing argument. */
  call(id: string, given?: CallArguments): PreparedCall;
  /** Why the document refuses the body; empty: it accepts it. */
  bodyFaults(id: string, body: unknown): string[];
  /** Names of the fields that a body may have; for a list: those of its items. */
  bodyFields(id: string): string[];
  /** Why the document refuses the query, one parameter at a time; empty: it accepts it. */
  queryFaults(id: string, query: Readonly<Record<string, unknown>>): string[];
  /** How the answer differs from the document; empty: it does not. Unknown fields count as faults. */
  answerFaults(id: string, answer: HttpAnswer): string[];
  /** The same for an answer to a method that the path does not have. */
  otherMethodFaults(path: string, answer: HttpAnswer): string[];
}

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly example?: unknown;
}

interface Known extends DocumentedOperation {
  readonly place: readonly string[];
  readonly parameters: readonly Parameter[];
  readonly hasBody: boolean;
  readonly needsBody: boolean;
}

/** The REST interface that a document describes. @param document OpenAPI 3.1, parsed. */
export function openApiContract(document: unknown): OpenApiContract {
  const root = document as Json;
  const schemas = new DocumentSchemas(document);
  const operations = new Map<string, Known>();
  for (const [path, item] of Object.entries(root.paths ?? {})) {
    for (const method of METHODS) {
      const described = item[method];
      if (described) operations.set(String(described.operationId), known(path, method, described));
    }
  }
  const find = (id: string): Known => {
    const operation = operations.get(id);
    if (!operation) throw new Error(`the document has no operation ${id}; it has ${[...operations.keys()]}`);
    return operation;
  };

  // A description is inline or under `components`.
  const resolved = (place: readonly string[]): readonly string[] => {
    const ref = at(root, place)?.$ref as unknown;
    return typeof ref === 'string' ? ref.replace('#/', '').split('/') : place;
  };

  const faultsOf = (place: readonly string[], { headers, text }: HttpAnswer): string[] => {
    const response = at(root, place);
    const faults = Object.entries(response?.headers ?? {}).flatMap(([name, header]) => {
      const value = headers.get(name);
      if (value === null) return (header.required as unknown) === true ? [`the header ${name} is missing`] : [];
      const isNumber = ['integer', 'number'].includes(String(header.schema?.type));
      return schemas.faults([...place, 'headers', name, 'schema'], isNumber ? Number(value) : value).map((fault) => {
        return `header ${name}: ${fault}`;
      });
    });
    const types = Object.keys(response?.content ?? {});
    if (types.length === 0) return text === '' ? faults : [...faults, 'there is a body'];
    const type = (headers.get('content-type') ?? '').split(';')[0] ?? '';
    if (!types.includes(type)) return [...faults, `the content type is ${type}, not ${types}`];
    const body: unknown = type.endsWith('json') ? JSON.parse(text) : text;
    return [...faults, ...schemas.faults([...place, 'content', type, 'schema'], body)];
  };

  return {
    operations: [...operations.values()],
    operation: find,
    match: (method, target) => {
      const parts = (target.split('?')[0] ?? '').split('/');
      const fits = ({ path }: Known): boolean => {
        const pattern = path.split('/');
        return (
          pattern.length === parts.length &&
          pattern.every((part, index) => part.startsWith('{') || part === parts[index])
        );
      };
      return [...operations.values()].find((one) => one.method === method && fits(one)) ?? null;
    },
    call: (id, given = {}) => prepared(find(id), given),
    bodyFaults: (id, body) => {
      const { place, hasBody, needsBody } = find(id);
      if (body === undefined) return needsBody ? ['a body is required'] : [];
      if (!hasBody) return ['there is no body'];
      return schemas.faults([...place, 'requestBody', 'content', 'application/json', 'schema'], body);
    },
    bodyFields: (id) => {
      const { place, hasBody } = find(id);
      const schema = [...place, 'requestBody', 'content', 'application/json', 'schema'];
      const [first] = Object.keys(at(root, schema)?.anyOf ?? {});
      const body = resolved(first === undefined ? schema : [...schema, 'anyOf', first]);
      return hasBody ? Object.keys(at(root, body)?.properties ?? {}) : [];
    },
    queryFaults: (id, query) => {
      const { place, parameters } = find(id);
      const names = new Map(
        parameters.flatMap((one, index) => (one.in === 'query' ? [[one.name, index] as const] : [])),
      );
      const missing = parameters.filter((one) => one.in === 'query' && one.required && query[one.name] === undefined);
      return [
        ...missing.map(({ name }) => `${name} is required`),
        ...Object.entries(query).flatMap(([name, value]) => {
          const index = names.get(name);
          if (index === undefined) return [`${name} is unknown`];
          return schemas.faults([...place, 'parameters', String(index), 'schema'], value);
        }),
      ];
    },
    answerFaults: (id, answer) => {
      const { place, statuses } = find(id);
      if (!statuses.includes(answer.status)) return [`the status ${answer.status} is none of ${statuses}`];
      return faultsOf(resolved([...place, 'responses', String(answer.status)]), answer);
    },
    otherMethodFaults: (path, answer) => {
      if (answer.status !== 405) return [`the status is ${answer.status}, not 405`];
      return faultsOf(resolved(['paths', path, 'x-other-methods']), answer);
    },
  };
}

function at(root: Json, place: readonly string[]): Json | undefined {
  return place.reduce<Json | undefined>((part, key) => part?.[key], root);
}

function known(path: string, method: string, described: Json): Known {
  const parameters = Object.values(described.parameters ?? {}) as unknown as Parameter[];
  const content = described.requestBody?.content?.['application/json'];
  const examples = (place: Parameter['in']): Record<string, unknown> =>
    Object.fromEntries(
      parameters.filter((one) => one.in === place && one.example !== undefined).map((one) => [one.name, one.example]),
    );
  // Alternatives of authentication, one of which is enough. One without any scheme means public.
  const ways = Object.values(described.security ?? {}) as unknown as Record<string, string[]>[];
  const isPublic = ways.length === 0 || ways.some((way) => Object.keys(way).length === 0);
  return {
    id: String(described.operationId),
    method: method.toUpperCase(),
    path,
    tags: Object.values(described.tags ?? {}).map(String),
    permissions: isPublic ? null : ways.flatMap((way) => Object.values(way).flat()),
    statuses: Object.keys(described.responses ?? {}).map(Number),
    example: {
      path: examples('path') as Record<string, string>,
      query: examples('query'),
      ...(content?.example === undefined ? {} : { body: content.example }),
    },
    place: ['paths', path, method],
    parameters,
    hasBody: content !== undefined,
    needsBody: (described.requestBody?.required as unknown) === true,
  };
}

function prepared(operation: Known, { path = {}, query = {}, headers = {}, body }: CallArguments): PreparedCall {
  const { id, parameters } = operation;
  const given = { path, query, header: headers };
  for (const [place, values] of Object.entries(given)) {
    const names = parameters.filter((one) => one.in === place).map(({ name }) => name);
    const unknown = Object.keys(values).find((name) => !names.includes(name));
    if (unknown !== undefined) throw new Error(`${id} has no ${place} parameter ${unknown}, but ${names}`);
  }
  const missing = parameters.find((one) => one.required && given[one.in][one.name] === undefined);
  if (missing) throw new Error(`${id} needs the ${missing.in} parameter ${missing.name}`);
  if (body !== undefined && !operation.hasBody) throw new Error(`${id} takes no body`);
  const filled = operation.path.replace(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(path[name] ?? ''));
  // style form, explode false: a list is one value with commas.
  const pairs = Object.entries(query).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(',') : `${value}`,
  ]);
  const search = pairs.length > 0 ? `?${new URLSearchParams(pairs as [string, string][])}` : '';
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return {
    target: `${filled}${search}`,
    init: {
      method: operation.method,
      headers: { ...type, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
  };
}
