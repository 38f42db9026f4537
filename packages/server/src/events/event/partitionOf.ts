const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * The queue of an ordering key: FNV-1a over its UTF-8. All nodes and versions must agree on it, or the order of a key breaks: never
 * change it.
 */
export function partitionOf(orderingKey: string, partitions: number): number {
  let hash = FNV_OFFSET;
  for (const byte of Buffer.from(orderingKey)) hash = Math.imul(hash ^ byte, FNV_PRIME) >>> 0;
  return hash % partitions;
}
