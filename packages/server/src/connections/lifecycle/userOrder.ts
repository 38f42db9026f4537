/** Buckets of the index. A page reads one or two of them; with 100,000 connections each has a hundred. */
const BUCKET_BITS = 10;
const SHIFT = 32 - BUCKET_BITS;

/** A user's place in an order that is the same on every node and never changes. */
export interface Place {
  /** Hash of the user id, 32 bits. */
  readonly hash: number;
  readonly userId: string;
}

export function placeOf(userId: string): Place {
  return { hash: hashOf(userId), userId };
}

/** Less than 0: `a` is before `b`. */
export function comparePlaces(a: Place, b: Place): number {
  if (a.hash !== b.hash) return a.hash - b.hash;
  return a.userId < b.userId ? -1 : a.userId > b.userId ? 1 : 0;
}

/**
 * Connections ordered by a hash of their user ids. The hash spreads users evenly over buckets. The index costs one array slot per
 * connection, and a walk can begin anywhere without reading what is before.
 */
export class UserOrder<T extends { readonly userId: string }> {
  private readonly buckets: T[][] = Array.from({ length: 1 << BUCKET_BITS }, () => []);

  add(one: T): void {
    this.bucketOf(one).push(one);
  }

  remove(one: T): void {
    const bucket = this.bucketOf(one);
    const index = bucket.indexOf(one);
    if (index === -1) return;
    const last = bucket.pop();
    if (last !== undefined && last !== one) bucket[index] = last;
  }

  /** Those after `place`; null: all. Connections added or removed during the walk may or may not be included. */
  *after(place: Place | null): IterableIterator<T> {
    const first = place === null ? 0 : place.hash >>> SHIFT;
    for (let index = first; index < this.buckets.length; index += 1) {
      const bucket = this.buckets[index] as T[];
      if (bucket.length === 0) continue;
      const placed = bucket.map((one) => ({ one, at: placeOf(one.userId) }));
      placed.sort((a, b) => comparePlaces(a.at, b.at));
      for (const { one, at } of placed) {
        if (place === null || index > first || comparePlaces(at, place) > 0) yield one;
      }
    }
  }

  private bucketOf({ userId }: T): T[] {
    return this.buckets[hashOf(userId) >>> SHIFT] as T[];
  }
}

/** FNV-1a over UTF-16 units: spreads ids of any form over the buckets. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
