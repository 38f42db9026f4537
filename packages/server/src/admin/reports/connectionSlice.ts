import type { ConnectionFilter, ListedConnection } from '@unified-ws/protocol';
import type { Connection } from '../../connections/lifecycle/connection.js';
import { faultsOf } from '../../connections/lifecycle/connectionHealth.js';
import { WIRE_STATUS } from '../../connections/lifecycle/connectionState.js';
import { placeOf } from '../../connections/lifecycle/userOrder.js';
import type { TypeSet } from '../../delivery/selection/typeSets.js';
import type { NodeParts } from '../nodeParts.js';

/** Cost limit of one page on a node: a connection examined costs 1, one included in the answer costs as below. About 5 ms. */
const MAX_WORK = 10_000;

/** The bus command `connections`. */
export interface SliceRequest {
  /** The last user of the previous page; null: from the start. */
  readonly after: string | null;
  readonly limit: number;
  readonly filter: ConnectionFilter;
}

/** A node's part of a page: all its matching connections up to a user. */
export interface Slice {
  readonly connections: readonly ListedConnection[];
  /** The last user examined; null: up to the end. */
  readonly until: string | null;
  /** Connections that are open on the node. */
  readonly total: number;
}

/** Cost of including a connection, in connections examined. */
export function weightOf({ subscriptions }: Pick<ListedConnection, 'subscriptions'>): number {
  return 10 + subscriptions.length;
}

/** This node's connections in the order of users, from a start user on, within the cost limit. */
export function sliceOf(parts: NodeParts, { after, limit, filter }: SliceRequest): Slice {
  const { table } = parts;
  const fits = matcher(parts, filter);
  const connections: ListedConnection[] = [];
  let work = 0;
  for (const connection of table.inUserOrder(after === null ? null : placeOf(after))) {
    work += 1;
    if (connection.established && fits(connection)) {
      const listed = describe(parts, connection);
      connections.push(listed);
      work += weightOf(listed);
    }
    if (connections.length >= limit || work >= MAX_WORK) {
      return { connections, until: connection.userId, total: table.size };
    }
  }
  return { connections, until: null, total: table.size };
}

function matcher(parts: NodeParts, filter: ConnectionFilter): (connection: Connection) => boolean {
  const { user, role, category, healthy } = filter;
  const part = user?.toLowerCase();
  const hasCategory = category === undefined ? null : categoryMatcher(parts, category);
  const limits = { ...parts.settings, clock: parts.clock };
  return (connection) => {
    if (part !== undefined && !isNamed(connection, part)) return false;
    if (role !== undefined && !connection.identity?.roles.includes(role)) return false;
    if (hasCategory && !(connection.types && hasCategory(connection.types))) return false;
    return healthy === undefined || (faultsOf(connection, limits).length === 0) === healthy;
  };
}

function isNamed({ userId, identity }: Connection, part: string): boolean {
  return userId.toLowerCase().includes(part) || (identity?.username.toLowerCase().includes(part) ?? false);
}

/** Sets of types are interned: most connections share one of a few sets, so each set is checked once. */
function categoryMatcher({ catalogue }: NodeParts, category: string): (types: TypeSet) => boolean {
  const wanted = catalogue()
    .categoriesOf(category)
    .flatMap((one) => catalogue().typesOf(one));
  const found = new Map<TypeSet, boolean>();
  return (types) => {
    let verdict = found.get(types);
    if (verdict === undefined) {
      verdict = wanted.some((type) => types.set.has(type));
      found.set(types, verdict);
    }
    return verdict;
  };
}

function describe({ settings, clock }: NodeParts, connection: Connection): ListedConnection {
  const { identity } = connection;
  const roles = identity?.roles ?? [];
  const faults = faultsOf(connection, { ...settings, clock });
  return {
    user_id: connection.userId,
    username: identity?.username ?? null,
    connection_id: connection.id,
    node_id: settings.nodeId,
    roles,
    is_admin: roles.includes('admin'),
    ip: connection.ip,
    status: WIRE_STATUS[connection.status],
    connected_at: new Date(connection.connectedAt).toISOString(),
    is_healthy: faults.length === 0,
    health_reasons: faults,
    subscriptions: connection.types?.names ?? [],
    message_count: connection.messages,
    error_count: connection.errors,
    last_activity: new Date(connection.lastActivity).toISOString(),
    fence: Number(connection.fence),
  };
}
