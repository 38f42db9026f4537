import { systemClock } from '@unified-ws/server/util/clock';
import type { Redis } from 'ioredis';
import type { Received } from '../../support/client.js';
import { Cluster } from '../../support/cluster.js';
import type { NodeRecord } from '../../support/nodeLog.js';
import { type RedisServer, type StartRedisOptions, startRedis } from '../../support/redis.js';
import { RedisProxy } from '../../support/redisProxy.js';
import { until } from '../../support/wait.js';
import { EventSource } from './eventSource.js';
import { Random } from './random.js';
import { Saboteur } from './saboteur.js';
import { SdkClient } from './sdkClient.js';

const NODES = 3;
const READY_WITHIN_MS = 60_000;

export interface DeliveryWorldOptions {
  readonly seed: number;
  readonly clients: number;
  /** Events per second. */
  readonly rate: number;
  /** Part of the events that is targeted. */
  readonly targeted: number;
  readonly nodes?: number;
  /** Settings of the nodes. */
  readonly env?: Readonly<Record<string, string>>;
  /** Path of another build's `main.js`: of all nodes, or of each by its number. */
  readonly main?: string | ((node: number) => string);
  readonly onRecord?: (node: number, record: NodeRecord) => void;
  readonly redis?: StartRedisOptions;
}

/** Nodes with one Redis, clients that do what the SDK does, and a publisher at a steady rate. */
export class DeliveryWorld {
  readonly random: Random;
  readonly redis: RedisServer;
  readonly cluster: Cluster;
  readonly clients: readonly SdkClient[];
  readonly source: EventSource;
  readonly saboteur: Saboteur;
  /** From the first request to publish to the application, of every delivery; milliseconds. */
  readonly latencies: number[] = [];
  private readonly proxy: RedisProxy;
  readonly store: Redis;

  private constructor(options: DeliveryWorldOptions, redis: RedisServer, proxy: RedisProxy, cluster: Cluster) {
    const { seed, clients, rate, targeted } = options;
    this.random = new Random(seed);
    this.redis = redis;
    this.proxy = proxy;
    this.cluster = cluster;
    this.store = redis.client();
    const onEvent = ({ data, at }: Received): void => {
      this.latencies.push(at - Number(data.at));
    };
    this.clients = Array.from({ length: clients }, (_, index) => {
      const userId = `user-${index + 1}`;
      return new SdkClient({ userId, nodes: cluster.nodes, random: this.random.fork(1000 + index), onEvent });
    });
    const users = this.clients.map(({ userId }) => userId);
    this.source = new EventSource({ random: this.random.fork(1), nodes: cluster.nodes, rate, users, targeted });
    this.saboteur = new Saboteur({ random: this.random.fork(2), cluster, proxy, server: redis, redis: this.store });
  }

  /** Resolves when every client is connected. */
  static async start(options: DeliveryWorldOptions): Promise<DeliveryWorld> {
    const { nodes = NODES, main, env, onRecord } = options;
    const redis = await startRedis(options.redis);
    const proxy = await RedisProxy.start(redis.port);
    let world: DeliveryWorld | null = null;
    try {
      const cluster = await Cluster.start({
        // Only one: this process is busy enough with the clients.
        redisUrl: (node) => (node === 0 ? proxy.url : redis.url),
        nodes,
        ...(main === undefined ? {} : { main }),
        ...(onRecord === undefined ? {} : { onRecord }),
        // Without the trace of every flush. The position is told often. As many partitions as there are by default.
        env: { LOG_LEVEL: 'info', HEARTBEAT_INTERVAL_MS: '2000', EVENT_QUEUE_PARTITIONS: '8', ...env },
      });
      world = new DeliveryWorld(options, redis, proxy, cluster);
      for (const client of world.clients) client.start();
      await world.connected();
      return world;
    } catch (error) {
      if (world) await world.stop();
      else {
        await proxy.stop();
        await redis.stop();
      }
      throw error;
    }
  }

  async connected(timeoutMs = READY_WITHIN_MS): Promise<void> {
    const missing = (): SdkClient[] => this.clients.filter((client) => !client.isConnected);
    await until(() => missing().length === 0, {
      timeoutMs,
      what: () => `all are connected, but for ${missing().length}; ${this.complaints()}`,
    });
  }

  /** Jobs that wait or are being worked on. */
  async queued(): Promise<number> {
    let total = 0;
    for (const key of await this.store.keys('*:meta')) {
      const queue = key.slice(0, -'meta'.length);
      const [wait, active, delayed] = await Promise.all([
        this.store.llen(`${queue}wait`),
        this.store.llen(`${queue}active`),
        this.store.zcard(`${queue}delayed`),
      ]);
      total += wait + active + delayed;
    }
    return total;
  }

  /** Monotonic ms of the last event that anybody received. */
  get lastEventAt(): number {
    return Math.max(0, ...this.clients.map(({ inbox }) => inbox.lastEventAt));
  }

  get silentForMs(): number {
    return systemClock.mono() - this.lastEventAt;
  }

  complaints(): string {
    return this.cluster.nodes.map(({ id, log }) => `${id}:\n${log.complaints.slice(-8).join('\n')}`).join('\n');
  }

  async stop(): Promise<void> {
    this.source.stop();
    await Promise.all(this.clients.map((client) => client.stop()));
    await this.cluster.kill();
    await this.proxy.stop();
    await this.redis.stop();
  }
}
