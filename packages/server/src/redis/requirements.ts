import type { Keys } from './keys.js';

/**
 * The permissions that a user of Redis needs, as commands with valid arguments (Redis checks arguments first). `key` stands for
 * `probe`. None of it is executed (inspectRedis.ts), so none of it may end a transaction.
 */
export interface Requirements {
  readonly commands: readonly string[];
  /** A key that nobody uses. */
  readonly probe: string;
  /** Whether transactions are executed. */
  readonly transactions: boolean;
  /** One permission of each kind. */
  readonly keys: readonly string[];
  /** Published to and subscribed to. */
  readonly channels: readonly string[];
}

/** Commands of the scripts, and those sent directly. `requirements.test.ts` compares the list with the scripts. */
const EVERYWHERE = [
  'PING',
  'EVAL x 0',
  'EVALSHA x 0',
  'DEL key',
  'EXISTS key',
  'EXPIRE key 1',
  'GET key',
  'HDEL key a',
  'HEXISTS key a',
  'HGET key a',
  'HGETALL key',
  'HMGET key a',
  'HSET key a b',
  'LINDEX key 0',
  'LLEN key',
  'LPOS key a',
  'LPUSH key a',
  'LRANGE key 0 0',
  'LREM key 0 a',
  'PERSIST key',
  'PEXPIRE key 1',
  'PTTL key',
  'RENAME key key',
  'SADD key a',
  'SET key a',
  'SREM key a',
  'TIME',
  'UNLINK key',
  'XADD key * a b',
  'XRANGE key 0 0',
  'XREVRANGE key 0 0',
  'XTRIM key MAXLEN 1',
  'ZADD key 0 a',
  'ZCARD key',
  'ZCOUNT key 0 0',
  'ZRANGE key 0 0',
  'ZREM key a',
  'ZREMRANGEBYRANK key 0 0',
  'ZSCORE key a',
];

const OF_THE_CLUSTER = [
  'SCRIPT LOAD x',
  'HKEYS key',
  'PUBLISH channel a',
  'SMISMEMBER key a',
  'SRANDMEMBER key 1',
  'TTL key',
  'XDEL key 1-0',
  'XLEN key',
  'ZMSCORE key a',
];

/** For the Redis of registry, bus and log. */
export function clusterRequirements(keys: Keys): Requirements {
  return {
    commands: [...EVERYWHERE, ...OF_THE_CLUSTER],
    probe: keys.inspection(),
    transactions: false,
    keys: [keys.nodes(), keys.nodeCards(), keys.conn('a'), keys.nodeUsers('a.1'), keys.logStream(), keys.audit()],
    channels: [keys.eventsChannel(), keys.nodeChannel('a.1')],
  };
}

/**
 * For the Redis of the event queue.
 *
 * @param engine that keeps the jobs (`QueueEngine`).
 */
export function queueRequirements(
  keys: Keys,
  engine: { readonly commands: readonly string[]; keyOf(prefix: string, name: string): string },
): Requirements {
  return {
    commands: [...EVERYWHERE, ...engine.commands],
    probe: keys.inspection(),
    transactions: true,
    keys: [
      keys.partitions(),
      engine.keyOf(keys.queuePrefix(0), 'events-0'),
      engine.keyOf(keys.queuePrefix('u'), 'events-urgent'),
    ],
    channels: [],
  };
}
