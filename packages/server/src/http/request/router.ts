import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  base64urlPath,
  type ParametersSchema,
  type RestBody,
  type RestOperation,
  type RestOperationId,
  type RestParam,
  type RestQuery,
  type RestReply,
  restOperations,
} from '@unified-ws/protocol';
import type { Express, IRoute, RequestHandler } from 'express';
import { answer } from './answer.js';
import { bodyReader, userIdOfBase64url } from './bodyReader.js';
import { type Answered, localsOf } from './caller.js';
import type { Gate } from './gate.js';
import { readJson, requireNoBody } from './jsonBody.js';
import { queryReader } from './queryReader.js';
import { RestProblem } from './restProblem.js';

/** An admitted request: the caller has the permission, and query and body match their schemas. */
interface Call<N extends RestOperationId> extends Answered {
  readonly params: Readonly<Record<RestParam<N>, string>>;
  readonly query: RestQuery<N>;
  readonly body: RestBody<N>;
  /** The body before its schema was looked at: for those who validate it themselves. */
  readonly json: unknown;
}

/** Resolves with the body of the answer. Throws failures. */
export type Handler<N extends RestOperationId> = (call: Call<N>) => Promise<RestReply<N>> | RestReply<N>;

interface OperationOptions {
  /** Handlers for every method of the path, OPTIONS included. Shared by all operations of a path, so the first one passes them. */
  readonly before?: readonly RequestHandler[];
  /** What validates the body, if not the router. Then `call.body` must not be used. */
  readonly bodyIsReadBy?: string;
}

interface Mounted {
  readonly route: IRoute;
  readonly methods: string[];
}

type Params = Readonly<Record<string, string>>;
/** Answers a request, whoever found the operation for it. */
type Serve = (request: IncomingMessage, response: ServerResponse, params: Params) => Promise<void>;

const NO_PARAMS: Params = Object.freeze({});

/** Mounts operations. Each path is known by its pattern, and answers 405 with `Allow` to other methods. */
export class Router {
  private readonly app: Express;
  private readonly gate: Gate;
  private readonly paths = new Map<string, Mounted>();
  /** By path: what POST does where nothing in the path has to be read. */
  private readonly posts = new Map<string, Serve>();

  constructor(app: Express, gate: Gate) {
    this.app = app;
    this.gate = gate;
  }

  /** Mounts an operation that answers with JSON. `restOperations` defines its permissions and input. */
  operation<N extends RestOperationId>(id: N, handler: Handler<NoInfer<N>>, options: OperationOptions = {}): void {
    const operation: RestOperation = restOperations[id];
    const { method, path, permissions } = operation;
    const { before = [], bodyIsReadBy } = options;
    const status = successOf(operation);
    const readQuery = operation.query && queryReader(operation.query as ParametersSchema);
    const readBody = operation.body && !bodyIsReadBy ? bodyReader(operation.body.schema) : undefined;
    const serve =
      (pattern: string, readParams: (params: Params) => Params): Serve =>
      async (request, response, given) => {
        localsOf(response).route = pattern;
        await this.permit(request, response, permissions);
        if (method === 'delete') requireNoBody(request);
        const params = readParams(given) as Call<N>['params'];
        const json = operation.body ? await readJson(request, response) : undefined;
        const query = readQuery ? readQuery(request) : null;
        const body = readBody ? readBody(json) : null;
        const answered = await handler({ request, response, params, query, body, json } as Call<N>);
        // The handler may have chosen another of the operation's statuses.
        if (response.statusCode === 200) response.statusCode = status;
        answer(response, answered);
      };
    const mount = (at: string, readParams: (params: Params) => Params): void => {
      const pattern = patternOf(at);
      const serves = serve(pattern, readParams);
      this.mount(method, pattern, before, [(request, response) => serves(request, response, request.params as Params)]);
      if (method === 'post' && pattern === at && before.length === 0) this.posts.set(at, serves);
    };
    mount(path, (params) => params);
    const encoded = base64urlPath(path);
    if (encoded !== null) mount(encoded, (params) => ({ ...params, user_id: userIdOfBase64url(params.user_id ?? '') }));
  }

  /** Mounts an operation for everybody that writes its answer itself. */
  raw(id: RestOperationId, handlers: readonly RequestHandler[], before: readonly RequestHandler[] = []): void {
    const { method, path }: RestOperation = restOperations[id];
    this.mount(method, patternOf(path), before, handlers);
  }

  /**
   * Answers a POST whose target is exactly the path of an operation. Express would find the same operation, at several times the price of
   * all the rest of a publish.
   *
   * @returns null when the target has to be read by Express: it has parameters, a query, or another spelling.
   */
  post(request: IncomingMessage, response: ServerResponse): Promise<void> | null {
    if (request.method !== 'POST') return null;
    return this.posts.get(request.url ?? '')?.(request, response, NO_PARAMS) ?? null;
  }

  /** Call after the last operation is mounted: from then on, other methods of each path are answered with 405. */
  close(): void {
    for (const { route, methods } of this.paths.values()) route.all(otherwise(methods.join(', ')));
  }

  private async permit(
    request: IncomingMessage,
    response: ServerResponse,
    permissions: RestOperation['permissions'],
  ): Promise<void> {
    if (permissions !== null) await this.gate.authorise(request, response, permissions === 'any' ? [] : permissions);
  }

  private mount(
    method: RestOperation['method'],
    pattern: string,
    before: readonly RequestHandler[],
    handlers: readonly RequestHandler[],
  ): void {
    const { route, methods } = this.at(pattern, before);
    methods.push(...(method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]));
    route[method](...handlers);
  }

  private at(pattern: string, before: readonly RequestHandler[]): Mounted {
    const known = this.paths.get(pattern);
    if (known) return known;
    const named: RequestHandler = (_request, response, next) => {
      localsOf(response).route = pattern;
      next();
    };
    const mounted = { route: this.app.route(pattern).all(named, ...before), methods: [] };
    this.paths.set(pattern, mounted);
    return mounted;
  }
}

/** As Express writes it. */
function patternOf(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1');
}

function successOf({ answers }: RestOperation): number {
  return Math.min(...Object.keys(answers).map(Number));
}

function otherwise(allow: string): RequestHandler {
  return (request, response) => {
    response.set('Allow', allow);
    if (request.method !== 'OPTIONS') {
      throw new RestProblem(405, 'METHOD_NOT_ALLOWED', `Only ${allow} can be used here.`);
    }
    response.status(204).end();
  };
}
