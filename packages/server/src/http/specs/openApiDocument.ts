import {
  base64urlPath,
  type JSONSchema,
  permissions as permissionTable,
  type RestAnswer,
  type RestOperation,
  restOperations,
} from '@unified-ws/protocol';
import { Components, type Json } from './components.js';
import { PROBLEM_STATUSES, problemName, problemResponse } from './problemResponses.js';

const DESCRIPTION = `REST interface of the Unified WebSocket cluster. Every node answers for the whole cluster.

Failures are \`application/problem+json\` (RFC 9457) with a stable \`code\`. Parameters and fields of a request that are not listed here are refused. A client
ignores unknown fields of an answer, because later versions may add some. HEAD works where GET does. OPTIONS returns the methods of a path.
Any other method is answered with 405 and \`Allow\`.

Each path with a user id has a second form: \`base64url/\` and then the UTF-8 of the id as base64url without padding. It works for every id, also for
\`.\` and \`..\`, which most libraries remove from paths.`;

const TAGS: Readonly<Record<RestOperation['tag'], string>> = {
  events: 'Publishing',
  users: 'Users and their connections',
  queue: 'The event queue',
  rollout: 'The roll-out: which users are assigned to the unified endpoint',
  cluster: 'The cluster and its nodes',
  probes: 'For load balancers, orchestrators and Prometheus',
  specs: 'Descriptions of the interfaces',
};

/** The OpenAPI 3.1 document of `restOperations`. @param version of this package. */
export function openApiDocument(version: string): Json {
  const components = new Components();
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [id, operation] of Object.entries(restOperations as Readonly<Record<string, RestOperation>>)) {
    const item = paths[operation.path] ?? { 'x-other-methods': problemRef(405) };
    item[operation.method] = operationObject(id, operation, components);
    paths[operation.path] = item;
    const encoded = base64urlPath(operation.path);
    if (encoded !== null)
      paths[encoded] = { $ref: `#/paths/${encodeURIComponent(operation.path.replaceAll('/', '~1'))}` };
  }
  const responses = PROBLEM_STATUSES.map((status) => [problemName(status), problemResponse(status)]);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Unified WebSocket cluster',
      version,
      summary: 'One WebSocket per user, cluster-wide',
      description: DESCRIPTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'the node or load balancer that served this document' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: components.schemas(),
      responses: Object.fromEntries(responses),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: `Permissions come from the roles and the permissions of the token. ${permissionList()}`,
        },
        metricsToken: { type: 'http', scheme: 'bearer', description: 'METRICS_TOKEN' },
      },
    },
  };
}

function permissionList(): string {
  return Object.entries(permissionTable)
    .map(([name, meaning]) => `\`${name}\`: ${meaning}.`)
    .join(' ');
}

function operationObject(id: string, operation: RestOperation, components: Components): Json {
  const { summary, description, tag, body, example } = operation;
  const parameters = parametersOf(operation, components);
  return {
    operationId: id,
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [tag],
    security: securityOf(operation),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: body.required,
            content: {
              'application/json': {
                schema: components.schema(body.schema),
                ...(example?.body === undefined ? {} : { example: example.body }),
              },
            },
          },
        }),
    responses: responsesOf(operation, components),
  };
}

/** One of the permissions is enough, so each is an alternative. */
function securityOf({ permissions, schemes = [] }: RestOperation): readonly Json[] {
  if (permissions === 'any') return [{ bearer: [] }];
  if (permissions !== null) return permissions.map((permission) => ({ bearer: [permission] }));
  return schemes.length === 0 ? [] : [...schemes.map((scheme) => ({ [scheme]: [] })), {}];
}

function parametersOf({ params = {}, query, headers = {}, example }: RestOperation, components: Components): Json[] {
  const parameter = (place: string, required: boolean, name: string, schema: JSONSchema, value: unknown): Json => {
    const { description, ...rest } = schema;
    return {
      name,
      in: place,
      required,
      ...(description === undefined ? {} : { description }),
      // A list is one parameter, with commas.
      ...(schema.type === 'array' ? { style: 'form', explode: false } : {}),
      schema: components.schema(description === undefined ? schema : rest),
      ...(value === undefined ? {} : { example: value }),
    };
  };
  const required = new Set(query?.required);
  return [
    ...Object.entries(params).map(([name, schema]) => parameter('path', true, name, schema, example?.params?.[name])),
    ...Object.entries(query?.properties ?? {}).map(([name, schema]) =>
      parameter('query', required.has(name), name, schema, example?.query?.[name]),
    ),
    ...Object.entries(headers).map(([name, schema]) => parameter('header', false, name, schema, undefined)),
  ];
}

function responsesOf(operation: RestOperation, components: Components): Json {
  const answers = Object.entries(operation.answers).map(([status, answer]) => [status, answerOf(answer, components)]);
  const problems = problemsOf(operation).filter((status) => operation.answers[status] === undefined);
  return Object.fromEntries([...answers, ...problems.map((status) => [String(status), problemRef(status)])]);
}

function answerOf(
  { meaning, schema, type = 'application/json', headers = {} }: RestAnswer,
  components: Components,
): Json {
  const described = Object.entries(headers).map(([name, description]) => {
    return [name, { required: true, description, schema: { type: 'string' } }];
  });
  const content = { [String(type)]: { schema: schema === undefined ? { type: 'string' } : components.schema(schema) } };
  return {
    description: meaning,
    ...(described.length > 0 ? { headers: Object.fromEntries(described) } : {}),
    ...(type === null ? {} : { content }),
  };
}

/** The problems that an operation may answer with follow from its input and permissions. */
function problemsOf({ permissions, unlimited, method, params, query, body, problems = [] }: RestOperation): number[] {
  const statuses = new Set([500, ...problems]);
  if (!unlimited) statuses.add(429);
  // Revocations are read from Redis.
  if (permissions !== null) for (const status of [401, 503]) statuses.add(status);
  if (permissions !== null && permissions !== 'any') statuses.add(403);
  if (body) for (const status of [400, 413, 415]) statuses.add(status);
  if (params || method === 'delete' || query?.additionalProperties === false) statuses.add(400);
  return [...statuses].sort((a, b) => a - b);
}

function problemRef(status: number): Json {
  return { $ref: `#/components/responses/${problemName(status)}` };
}
