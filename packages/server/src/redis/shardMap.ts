import { Cluster } from 'ioredis';
import type { RedisClient } from './connect.js';

const SLOTS = 16_384;
/** For a client without Cluster: one server holds all keys. */
const WHOLE = '';
/** With this many names even a shard of one slot gets one, but for one case in 100,000: then the search is repeated. */
const MAX_NAMES = 12 * SLOTS;

/** CRC-16 of each byte, polynomial 0x1021, as the Redis Cluster specification has it. */
const CRC = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc & 0xffff;
});

/** The slot of a key: that of its hash tag when it has one. */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) crc = ((crc << 8) & 0xffff) ^ (CRC[(crc >> 8) ^ byte] as number);
  return crc % SLOTS;
}

/** The shards of a Redis, as its client knows them. A shard is named by its master, `host:port`; a server without Cluster is one shard. */
export class ShardMap {
  private readonly redis: RedisClient;
  /** Slot of the tag `{n}`, by n. */
  private readonly slotOfTag: number[] = [];

  constructor(redis: RedisClient) {
    this.redis = redis;
  }

  /** The shard that holds a key; undefined while none is known. */
  of(key: string): string | undefined {
    return this.redis instanceof Cluster ? this.redis.slots[slotOf(key)]?.[0] : WHOLE;
  }

  /** For each shard a hash tag that leads to it: the same tag for as long as the shard keeps its slots. */
  tags(): ReadonlyMap<string, string> {
    const { redis } = this;
    if (!(redis instanceof Cluster)) return new Map([[WHOLE, '0']]);
    const shards = new Set<string>();
    let last: readonly string[] | undefined;
    for (const holders of redis.slots) {
      // The slots of a range share their list.
      if (holders === last) continue;
      last = holders;
      if (holders?.[0] !== undefined) shards.add(holders[0]);
    }
    const tags = new Map<string, string>();
    for (let n = 0; tags.size < shards.size && n < MAX_NAMES; n += 1) {
      const slot = this.slotOfTag[n] ?? slotOf(`{${n}}`);
      this.slotOfTag[n] = slot;
      const shard = redis.slots[slot]?.[0];
      if (shard !== undefined && !tags.has(shard)) tags.set(shard, String(n));
    }
    return tags;
  }
}

/**
 * Calls `broken` with the shard when a connection to a master, which stood, ends; not when it is given up because the master has no
 * slots left. The `close` of a Cluster client itself is the end of all its connections at once.
 */
export function onLinkBroken(client: RedisClient, broken: (shard: string) => void): void {
  client.on('close', () => broken(WHOLE));
  if (!(client instanceof Cluster)) return;
  client.on('+node', (node) => {
    const { host, port } = node.options;
    node.once('ready', () => {
      node.once('close', () => {
        if (client.nodes('master').includes(node)) broken(`${host}:${port}`);
      });
    });
  });
}
