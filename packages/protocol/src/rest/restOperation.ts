import type { Permission } from '../codes/permissions.js';
import type { JSONSchema } from '../schemas/schema.js';

/** The schema of an object whose properties are the parameters of a query. */
export interface ParametersSchema extends JSONSchema {
  readonly properties: Readonly<Record<string, JSONSchema>>;
}

export interface RestAnswer {
  readonly meaning: string;
  /** Of the body. Left out: the body is no JSON of ours, or there is none. */
  readonly schema?: JSONSchema;
  /** Default: `application/json`. Null: there is no body. */
  readonly type?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * One REST operation: what the server mounts and checks by, and what openapi.json says of it. There is no other list of routes.
 */
export interface RestOperation {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** With `{parameter}`s. */
  readonly path: string;
  readonly tag: 'cluster' | 'users' | 'events' | 'queue' | 'rollout' | 'probes' | 'specs';
  /** One line. */
  readonly summary: string;
  readonly description?: string;
  /** One of these is enough; `any`: any valid token; null: public, no authentication. */
  readonly permissions: readonly [Permission, ...Permission[]] | 'any' | null;
  /** Answered beyond the limits on plain HTTP too, with what was answered a moment ago. */
  readonly unlimited?: true;
  /** How a caller may authenticate, where `permissions` is null. */
  readonly schemes?: readonly ('bearer' | 'metricsToken')[];
  /** Of the path, by name. */
  readonly params?: Readonly<Record<string, JSONSchema>>;
  /** Lists are written with commas. What is not in it is refused; left out: the query is not looked at. */
  readonly query?: ParametersSchema;
  readonly headers?: Readonly<Record<string, JSONSchema>>;
  readonly body?: { readonly schema: JSONSchema; readonly required: boolean };
  /** By status; the lowest is that of success. */
  readonly answers: Readonly<Record<number, RestAnswer>>;
  /** Statuses of problems besides those that follow from the fields above. */
  readonly problems?: readonly number[];
  readonly example?: {
    readonly params?: Readonly<Record<string, string>>;
    readonly query?: Readonly<Record<string, unknown>>;
    readonly body?: unknown;
  };
}
