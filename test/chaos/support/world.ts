import { createRedis, parseRedisUrl } from '@unified-ws/server/redis/connect';
import { systemClock } from '@unified-ws/server/util/clock';
import type { Cluster as ClusterClient, Redis } from 'ioredis';
import { Cluster } from '../../support/cluster.js';
import { metricOf } from '../../support/metrics.js';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { type RedisClusterTopology, startRedisCluster } from '../../support/topologies.js';
import { until } from '../../support/wait.js';
import { Ledger } from './ledger.js';
import { Publisher } from './publisher.js';
import { Random } from './random.js';
import { User } from './user.js';

const NODES = 3;

export interface WorldOptions {
  readonly seed: number;
  readonly users: number;
  /** Settings of the nodes. */
  readonly env?: Readonly<Record<string, string>>;
  /** The Redis is a Cluster of three shards, each with a replica. Default: one server. */
  readonly shards?: boolean;
  /** Time between two broadcasts of each node's admin. Default 60 ms. */
  readonly publishEveryMs?: number;
}

export interface RegistryEntry {
  readonly conn: string;
  readonly fence: string;
  readonly lease: string;
  readonly displaced: string;
}

export async function readEntry(redis: Redis | ClusterClient, user: string): Promise<RegistryEntry> {
  const key = `uws:{u:${encodeURIComponent(user)}}:conn`;
  const values = await redis.hmget(key, 'conn', 'fence', 'lease', 'displaced');
  const [conn, fence, lease, displaced] = values.map((value) => value ?? '');
  return { conn: conn ?? '', fence: fence ?? '', lease: lease ?? '', displaced: displaced ?? '' };
}

/** The one Redis of the nodes: a server, or a Cluster. */
type Backend = RedisServer | RedisClusterTopology;

/** Three nodes, one Redis, users with devices, and admins who broadcast all the time. */
export class World {
  readonly random: Random;
  readonly cluster: Cluster;
  readonly ledger: Ledger;
  readonly users: readonly User[];
  readonly publishers: readonly Publisher[];
  /** When what was done to the cluster, for a failure's text. */
  readonly actions: string[] = [];
  private readonly backend: Backend;
  private readonly client: Redis | ClusterClient;

  private constructor(backend: Backend, cluster: Cluster, ledger: Ledger, options: WorldOptions) {
    this.random = new Random(options.seed);
    this.backend = backend;
    this.client = 'servers' in backend ? clusterClient(backend.url) : backend.client();
    this.cluster = cluster;
    this.ledger = ledger;
    this.users = Array.from(
      { length: options.users },
      (_, index) => new User(`user-${index + 1}`, cluster.nodes, this.random.fork(index)),
    );
    const every = options.publishEveryMs ?? 60;
    this.publishers = cluster.nodes.map((node, index) => new Publisher(`publisher-${index + 1}`, node, every));
  }

  static async start(options: WorldOptions): Promise<World> {
    // Kept on disk: a restart in good order loses nothing, and what it must not change is not excused by an empty Redis.
    const args = ['--cluster-require-full-coverage', 'no'];
    const redis = options.shards
      ? await startRedisCluster({ replicas: true, args })
      : await startRedis({ appendonly: true });
    const ledger = new Ledger();
    try {
      const cluster = await Cluster.start({
        redisUrl: redis.url,
        nodes: NODES,
        ...(options.env ? { env: options.env } : {}),
        onRecord: (node, record) => ledger.take(node, record),
      });
      const world = new World(redis, cluster, ledger, options);
      await Promise.all(world.publishers.map((publisher) => publisher.start()));
      return world;
    } catch (error) {
      await redis.stop();
      throw error;
    }
  }

  /** Of a world whose Redis is one server. */
  get redis(): RedisServer {
    if ('servers' in this.backend) throw new Error('the Redis of this world is a Cluster');
    return this.backend;
  }

  /** Of a world whose Redis is a Cluster. */
  get shards(): RedisClusterTopology {
    if ('servers' in this.backend) return this.backend;
    throw new Error('the Redis of this world is no Cluster');
  }

  note(action: string): void {
    this.actions.push(`${action} at ${systemClock.mono().toFixed(2)}`);
  }

  /** What Redis holds of the user. */
  entry(user: string): Promise<RegistryEntry> {
    const read = (): Promise<RegistryEntry | null> => readEntry(this.client, user).catch(() => null);
    return until(read, { what: 'the entry is read', timeoutMs: 15_000, everyMs: 50 });
  }

  async emptyRedis(): Promise<void> {
    await this.client.flushall();
    this.note('Redis emptied');
  }

  /** Ends the node's connections to Redis: what is published for it from now on is lost. */
  async cutFromRedis(nodeId: string): Promise<void> {
    const list = String(await this.client.client('LIST'));
    const ids = [...list.matchAll(/^id=(\d+) .*\bname=([^ ]*):/gm)].flatMap(([, id, name]) =>
      name === nodeId ? [id ?? ''] : [],
    );
    for (const id of ids) await this.client.client('KILL', 'ID', id);
    this.note(`${ids.length} links of ${nodeId} cut`);
  }

  /** All nodes serve. */
  async healed(timeoutMs: number): Promise<void> {
    await this.cluster.ready(timeoutMs);
    await until(async () => (await this.client.ping().catch(String)) === 'PONG', { what: 'Redis answers', timeoutMs });
  }

  /** Events that nodes, since their last start, wrote beside a newer connection, by their own count. */
  duplicatesFound(): Promise<number> {
    return this.sumOf('uws_duplicates_found_total');
  }

  /** Connections that replaced another, by the same count. */
  replacements(): Promise<number> {
    return this.sumOf('uws_takeovers_total');
  }

  private async sumOf(metric: string): Promise<number> {
    const counts = await Promise.all(this.cluster.nodes.map((node) => metricOf(node, metric)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  complaints(): string {
    return this.cluster.nodes.map(({ id, log }) => `${id}:\n${log.complaints.slice(-8).join('\n')}`).join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.publishers.map((publisher) => publisher.stop()));
    await Promise.all(this.users.map((user) => user.stop()));
    await this.cluster.kill();
    this.client.disconnect();
    await this.backend.stop();
  }
}

function clusterClient(url: string): Redis | ClusterClient {
  const client = createRedis(parseRedisUrl(url), 'command', { commandTimeoutMs: 1000, name: 'chaos' });
  // It meets the faults as the nodes do.
  client.on('error', () => undefined);
  client.connect().catch(() => undefined);
  return client;
}
