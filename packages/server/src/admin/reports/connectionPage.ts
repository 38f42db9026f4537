import type { ListedConnection } from '@unified-ws/protocol';
import { comparePlaces, placeOf } from '../../connections/lifecycle/userOrder.js';
import { type Slice, weightOf } from './connectionSlice.js';

/** Size limit of a page, in units of `weightOf`: about 200 kB on the wire. */
const MAX_WEIGHT = 10_000;

export interface Page {
  readonly taken: readonly ListedConnection[];
  /** The last user of its range; null: the listing ends here. */
  readonly until: string | null;
}

/** Size to ask each node for: users are spread over nodes at random, so a little more than an even share fills the page. */
export function shareOf(limit: number, nodes: number): number {
  return Math.min(limit, Math.ceil((1.5 * limit) / Math.max(1, nodes)) + 10);
}

/** The range covered by all slices, cut to the size of a page. */
export function mergeSlices(slices: readonly Slice[], limit: number): Page {
  const bounds = slices.flatMap(({ until }) => (until === null ? [] : [placeOf(until)])).sort(comparePlaces);
  const [bound] = bounds;
  const all = slices
    .flatMap(({ connections }) => connections.map((connection) => ({ at: placeOf(connection.user_id), connection })))
    .filter(({ at }) => bound === undefined || comparePlaces(at, bound) <= 0)
    // If a user moved between two nodes' answers, the newer connection comes first.
    .sort((a, b) => comparePlaces(a.at, b.at) || b.connection.fence - a.connection.fence);
  const taken: ListedConnection[] = [];
  let weight = 0;
  for (const { connection } of all) {
    const last = taken.at(-1);
    if (last?.user_id === connection.user_id) continue;
    if (taken.length >= limit || (last && weight + weightOf(connection) > MAX_WEIGHT)) {
      return { taken, until: last?.user_id ?? null };
    }
    taken.push(connection);
    weight += weightOf(connection);
  }
  return { taken, until: bound?.userId ?? null };
}
