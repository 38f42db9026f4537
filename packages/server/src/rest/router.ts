import type { Express, RequestHandler } from 'express';
import { localsOf } from './http.js';
import { RestProblem } from './problem.js';

type Method = 'get' | 'post' | 'put' | 'delete';

/** Mounts routes: each is known by its pattern, and answers 405 with `Allow` to methods that it does not have. */
export class Router {
  private readonly app: Express;

  constructor(app: Express) {
    this.app = app;
  }

  /** @param before run for every method, OPTIONS included. */
  route(
    path: string,
    methods: Partial<Record<Method, readonly RequestHandler[]>>,
    before: readonly RequestHandler[] = [],
  ): void {
    const names = Object.keys(methods) as Method[];
    const allow = names.flatMap((name) => (name === 'get' ? ['GET', 'HEAD'] : [name.toUpperCase()])).join(', ');
    const named: RequestHandler = (_request, response, next) => {
      localsOf(response).route = path;
      next();
    };
    const otherwise: RequestHandler = (request, response) => {
      response.set('Allow', allow);
      if (request.method !== 'OPTIONS') {
        throw new RestProblem(405, 'METHOD_NOT_ALLOWED', `Only ${allow} can be used here.`);
      }
      response.status(204).end();
    };
    const route = this.app.route(path).all(named, ...before);
    for (const name of names) route[name](...(methods[name] ?? []));
    route.all(otherwise);
  }
}
