import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { slotOf } from '@unified-ws/server/redis/shardMap';
import type { Redis } from 'ioredis';
import { freePort, type RedisServer, startRedis } from './redis.js';
import { until } from './wait.js';

/** Several redis-server processes that form one Redis for the nodes. */
export interface Topology {
  /** Value of REDIS_URL. */
  readonly url: string;
  stop(): Promise<void>;
}

const SLOTS = 16_384;
const MASTERS = 3;

export interface RedisClusterTopology extends Topology {
  /** The masters in order, each with a third of the slots, then one replica of each if requested. */
  readonly servers: readonly RedisServer[];
  /** Number of shards. */
  readonly masters: number;
  /** Number of the master that holds a key at the start. */
  shardOf(key: string): number;
  /** Empties the shard, on whichever server is its master. */
  empty(shard: number): Promise<void>;
  /**
   * Kills the master of a shard whose replica received nothing for the last `lagMs`, and promotes that replica. Resolves when the killed
   * server follows it.
   */
  failOver(shard: number, lagMs: number): Promise<void>;
}

export interface RedisClusterOptions {
  /** Whether each master has a replica. Default false. */
  readonly replicas?: boolean;
  /** Further arguments of all servers. */
  readonly args?: readonly string[];
}

/** A Redis Cluster of three masters. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisClusterTopology> {
  const { replicas = false, args = [] } = options;
  const count = replicas ? 2 * MASTERS : MASTERS;
  const servers = await Promise.all(Array.from({ length: count }, () => startClusterServer(args)));
  const masters = servers.slice(0, MASTERS);
  const all = servers.map((server) => server.client());
  const clients = all.slice(0, MASTERS);
  const [first] = clients as [Redis, ...Redis[]];
  const share = Math.ceil(SLOTS / MASTERS);
  await Promise.all(
    clients.map(async (client, n) => {
      // As redis-cli does it. Equal epochs are resolved later: a master could win its slots back from a promoted replica.
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', n + 1);
      await client.call('CLUSTER', 'ADDSLOTSRANGE', n * share, Math.min(SLOTS, (n + 1) * share) - 1);
    }),
  );
  await Promise.all(servers.slice(1).map((server) => first.call('CLUSTER', 'MEET', '127.0.0.1', server.port)));
  const known = new RegExp(`cluster_known_nodes:${count}\\r`);
  await until(
    async () => {
      const infos = await Promise.all(all.map((client) => client.call('CLUSTER', 'INFO')));
      return infos.every((info) => /cluster_state:ok/.test(String(info)) && known.test(String(info)));
    },
    { timeoutMs: 15_000, everyMs: 50, what: 'the Redis Cluster is whole' },
  );
  if (replicas) await follow(clients, all.slice(MASTERS));
  /** Present master and replica of a shard. */
  const rolesOf = async (shard: number): Promise<[master: RedisServer, replica: RedisServer]> => {
    const [one, other] = [servers[shard], servers[shard + MASTERS]];
    if (!one || !other) throw new Error(`there is no shard ${shard} with a replica`);
    const info = await other.client().info('replication');
    return /role:master/.test(info) ? [other, one] : [one, other];
  };
  return {
    url: `redis+cluster://${masters.map((server) => `127.0.0.1:${server.port}`).join(',')}`,
    servers,
    masters: MASTERS,
    shardOf: (key) => Math.floor(slotOf(key) / share),
    empty: async (shard) => {
      const [master] = await rolesOf(shard);
      await master.client().flushall();
    },
    failOver: async (shard, lagMs) => {
      const [master, replica] = await rolesOf(shard);
      replica.pause();
      await sleep(lagMs);
      await master.kill9();
      replica.resume();
      const client = replica.client();
      await until(async () => String(await client.call('CLUSTER', 'FAILOVER', 'TAKEOVER').catch(String)) === 'OK', {
        timeoutMs: 15_000,
        what: 'the replica takes over',
      });
      await master.restart();
      await until(async () => /state=online/.test(await client.info('replication')), {
        timeoutMs: 20_000,
        everyMs: 50,
        what: 'the former master follows',
      });
    },
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

/** Makes each replica follow the master with its number. */
async function follow(masters: readonly Redis[], replicas: readonly Redis[]): Promise<void> {
  for (const [n, replica] of replicas.entries()) {
    const id = String(await masters[n]?.call('CLUSTER', 'MYID'));
    await replica.call('CLUSTER', 'REPLICATE', id);
  }
  await until(
    async () => {
      const infos = await Promise.all(replicas.map((replica) => replica.info('replication')));
      return infos.every((info) => /master_link_status:up/.test(info));
    },
    { timeoutMs: 15_000, everyMs: 50, what: 'the replicas follow' },
  );
}

/** The bus port is the port plus 10,000, and must be valid. */
async function startClusterServer(args: readonly string[]): Promise<RedisServer> {
  for (;;) {
    const port = await freePort();
    if (port > 55_000) continue;
    return startRedis({
      port,
      args: ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--repl-diskless-sync-delay', '0', ...args],
    });
  }
}

export interface SentinelTopology extends Topology {
  /** Kills the master. Resolves when the sentinels have promoted the replica. */
  failOver(): Promise<void>;
}

/** A master, a replica and three sentinels. */
export async function startSentinels(): Promise<SentinelTopology> {
  const master = await startRedis();
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(master.port)] });
  const replicaClient = replica.client();
  await until(async () => /master_link_status:up/.test(await replicaClient.info('replication')), {
    timeoutMs: 15_000,
    everyMs: 50,
    what: 'the replica follows',
  });
  const sentinels = await Promise.all([0, 1, 2].map(() => startSentinel(master.port)));
  const clients = sentinels.map((sentinel) => sentinel.client());
  await until(
    async () => {
      const infos = await Promise.all(clients.map((client) => client.info('sentinel')));
      return infos.every((info) => /slaves=1,sentinels=3/.test(info));
    },
    { timeoutMs: 20_000, everyMs: 100, what: 'the sentinels know each other' },
  );
  return {
    url: `redis+sentinel://${sentinels.map((sentinel) => `127.0.0.1:${sentinel.port}`).join(',')}/main`,
    failOver: async () => {
      await master.kill9();
      await until(async () => /role:master/.test(await replicaClient.info('replication')), {
        timeoutMs: 30_000,
        everyMs: 100,
        what: 'the replica is the master',
      });
    },
    stop: async () => {
      await Promise.all([...sentinels, replica, master].map((server) => server.stop()));
    },
  };
}

async function startSentinel(masterPort: number): Promise<RedisServer> {
  return startRedis({
    sentinel: (dir) => {
      // A sentinel rewrites its file, so each has its own.
      const file = join(dir, 'sentinel.conf');
      writeFileSync(
        file,
        [
          `sentinel monitor main 127.0.0.1 ${masterPort} 2`,
          'sentinel down-after-milliseconds main 1000',
          'sentinel failover-timeout main 5000',
          '',
        ].join('\n'),
      );
      return file;
    },
  });
}
