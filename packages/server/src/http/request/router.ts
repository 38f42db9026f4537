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
import type { Express, IRoute, Request, RequestHandler, Response } from 'express';
import { bodyReader, userIdOfBase64url } from './bodyReader.js';
import { localsOf } from './caller.js';
import type { Gate } from './gate.js';
import { jsonBody, withoutBody } from './jsonBody.js';
import { queryReader } from './queryReader.js';
import { RestProblem } from './restProblem.js';

/** An admitted request: the caller has the permission, and query and body match their schemas. */
interface Call<N extends RestOperationId> {
  readonly request: Request;
  readonly response: Response;
  readonly params: Readonly<Record<RestParam<N>, string>>;
  readonly query: RestQuery<N>;
  readonly body: RestBody<N>;
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

/** Mounts operations. Each path is known by its pattern, and answers 405 with `Allow` to other methods. */
export class Router {
  private readonly app: Express;
  private readonly gate: Gate;
  private readonly paths = new Map<string, Mounted>();

  constructor(app: Express, gate: Gate) {
    this.app = app;
    this.gate = gate;
  }

  /** Mounts an operation that answers with JSON. `restOperations` defines its permissions and input. */
  operation<N extends RestOperationId>(id: N, handler: Handler<NoInfer<N>>, options: OperationOptions = {}): void {
    const operation: RestOperation = restOperations[id];
    const status = successOf(operation);
    const readQuery = operation.query && queryReader(operation.query as ParametersSchema);
    const readBody = operation.body && !options.bodyIsReadBy ? bodyReader(operation.body.schema) : undefined;
    this.raw(
      id,
      [
        ...(operation.body ? jsonBody() : []),
        async (request, response) => {
          const query = readQuery ? readQuery(request) : null;
          const body = readBody ? readBody(request.body) : null;
          const params = request.params as Call<N>['params'];
          const call = { request, response, params, query, body } as Call<N>;
          const answer = await handler(call);
          // The handler may have chosen another of the operation's statuses.
          if (response.statusCode === 200) response.status(status);
          response.json(answer);
        },
      ],
      options.before,
    );
  }

  /** Mounts an operation that writes its answer itself. */
  raw(id: RestOperationId, handlers: readonly RequestHandler[], before: readonly RequestHandler[] = []): void {
    const { method, path, permissions }: RestOperation = restOperations[id];
    const permit = permissions === null ? [] : [this.permit(permissions)];
    const checked = [...permit, ...(method === 'delete' ? [withoutBody] : [])];
    const mount = (at: string, ...last: readonly RequestHandler[]): void => {
      const { route, methods } = this.at(at, before);
      methods.push(...(method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]));
      route[method](...checked, ...last);
    };
    mount(path, ...handlers);
    const encoded = base64urlPath(path);
    if (encoded !== null) mount(encoded, decodeUserId, ...handlers);
  }

  /** Call after the last operation is mounted: from then on, other methods of each path are answered with 405. */
  close(): void {
    for (const { route, methods } of this.paths.values()) route.all(otherwise(methods.join(', ')));
  }

  private permit(permissions: NonNullable<RestOperation['permissions']>): RequestHandler {
    return permissions === 'any' ? this.gate.authenticate() : this.gate.authorise(...permissions);
  }

  private at(path: string, before: readonly RequestHandler[]): Mounted {
    const known = this.paths.get(path);
    if (known) return known;
    const pattern = path.replace(/\{(\w+)\}/g, ':$1');
    const named: RequestHandler = (_request, response, next) => {
      localsOf(response).route = pattern;
      next();
    };
    const mounted = { route: this.app.route(pattern).all(named, ...before), methods: [] };
    this.paths.set(path, mounted);
    return mounted;
  }
}

const decodeUserId: RequestHandler = ({ params }, _response, next) => {
  params.user_id = userIdOfBase64url(String(params.user_id));
  next();
};

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
