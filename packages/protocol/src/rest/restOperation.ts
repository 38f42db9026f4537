import type { Permission } from '../codes/permissions.js';
import type { JSONSchema } from '../schemas/schema.js';

/** The schema of an object whose properties are the parameters of a query. */
export interface ParametersSchema extends JSONSchema {
  readonly properties: Readonly<Record<string, JSONSchema>>;
}

export interface RestAnswer {
  readonly meaning: string;
  /** Schema of the body. Absent: the body has no schema, or there is none. */
  readonly schema?: JSONSchema;
  /** Default: `application/json`. Null: there is no body. */
  readonly type?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * One REST operation. The server mounts and checks by it, and openapi.json is generated from it. There is no other list of routes.
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
  /** Not limited: above the limits on plain HTTP it is answered with its last answer. */
  readonly unlimited?: true;
  /** How a caller may authenticate, if `permissions` is null. */
  readonly schemes?: readonly ('bearer' | 'metricsToken')[];
  /** Parameters of the path, by name. */
  readonly params?: Readonly<Record<string, JSONSchema>>;
  /** Lists are written with commas. Unknown parameters are refused. Absent: the query is ignored. */
  readonly query?: ParametersSchema;
  readonly headers?: Readonly<Record<string, JSONSchema>>;
  readonly body?: { readonly schema: JSONSchema; readonly required: boolean };
  /** By status; the lowest one means success. */
  readonly answers: Readonly<Record<number, RestAnswer>>;
  /** Statuses of problems that do not follow from the fields above. */
  readonly problems?: readonly number[];
  readonly example?: {
    readonly params?: Readonly<Record<string, string>>;
    readonly query?: Readonly<Record<string, unknown>>;
    readonly body?: unknown;
  };
}
