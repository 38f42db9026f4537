import type { FromSchema } from '../schemas/schema.js';
import type { RestOperation } from './restOperation.js';
import { auditOperations } from './restOperations/auditOperations.js';
import { broadcastOperations } from './restOperations/broadcastOperations.js';
import { catalogueOperations } from './restOperations/catalogueOperations.js';
import { clusterOperations } from './restOperations/clusterOperations.js';
import { connectionOperations } from './restOperations/connectionOperations.js';
import { eventOperations } from './restOperations/eventOperations.js';
import { legacyOperations } from './restOperations/legacyOperations.js';
import { mailboxOperations } from './restOperations/mailboxOperations.js';
import { nodeOperations } from './restOperations/nodeOperations.js';
import { probeOperations } from './restOperations/probeOperations.js';
import { queueOperations } from './restOperations/queueOperations.js';
import { rolloutOperations } from './restOperations/rolloutOperations.js';
import { specOperations } from './restOperations/specOperations.js';
import { userOperations } from './restOperations/userOperations.js';

export * from './restOperation.js';

/** Every REST operation by its id. */
export const restOperations = {
  ...eventOperations,
  ...broadcastOperations,
  ...queueOperations,
  ...connectionOperations,
  ...legacyOperations,
  ...userOperations,
  ...mailboxOperations,
  ...clusterOperations,
  ...nodeOperations,
  ...catalogueOperations,
  ...auditOperations,
  ...rolloutOperations,
  ...probeOperations,
  ...specOperations,
} as const satisfies Readonly<Record<string, RestOperation>>;

const USER_ID = '{user_id}';

/**
 * The other form of a path with a user id, such as `/users/base64url/{user_id}/ban`, with the id as base64url of its UTF-8, without padding.
 * It works for every id. The plain form does not work for `.` and `..`: even percent-encoded, libraries such as `fetch` remove them from paths.
 *
 * @returns null for a path without a user id.
 */
export function base64urlPath(path: string): string | null {
  return path.includes(USER_ID) ? path.replace(USER_ID, `base64url/${USER_ID}`) : null;
}

export type RestOperationId = keyof typeof restOperations;
type Of<N extends RestOperationId> = (typeof restOperations)[N];

/** The query of the operation after validation. */
export type RestQuery<N extends RestOperationId> = Of<N> extends { readonly query: infer Q } ? FromSchema<Q> : null;
/** The body of the operation after validation. */
export type RestBody<N extends RestOperationId> =
  Of<N> extends { readonly body: { readonly schema: infer B } } ? FromSchema<B> : null;
/** Names of the parameters in its path. */
export type RestParam<N extends RestOperationId> =
  Of<N> extends { readonly params: infer P } ? keyof P & string : never;
/** The answer on success. */
export type RestReply<N extends RestOperationId> = Of<N>['answers'][keyof Of<N>['answers']] extends infer A
  ? A extends { readonly schema: infer S }
    ? FromSchema<S>
    : never
  : never;
