import type { Redis } from 'ioredis';
import { type ClientOptions, type EstablishedData, TestClient } from '../support/client.js';
import { Cluster, type ClusterOptions, type NodeProcess } from '../support/cluster.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { adminToken, token } from '../support/tokens.js';

/** Three node processes over one Redis, and the clients that a test makes; all of it ends with the test. */
export class ClusterWorld {
  readonly redis: RedisServer;
  readonly cluster: Cluster;
  readonly store: Redis;
  private readonly clients: TestClient[] = [];
  private users = 0;

  private constructor(redis: RedisServer, cluster: Cluster) {
    this.redis = redis;
    this.cluster = cluster;
    this.store = redis.client();
  }

  static async start(options: Omit<ClusterOptions, 'redisUrl'> = {}): Promise<ClusterWorld> {
    const redis = await startRedis();
    try {
      return new ClusterWorld(redis, await Cluster.start({ ...options, redisUrl: redis.url }));
    } catch (error) {
      await redis.stop();
      throw error;
    }
  }

  node(index: number): NodeProcess {
    return this.cluster.node(index);
  }

  /** A user id that no other test of this world has. */
  user(): string {
    this.users += 1;
    return `user-${this.users}`;
  }

  dial(
    node: NodeProcess,
    user: string,
    options: ClientOptions & { readonly roles?: readonly string[] } = {},
  ): TestClient {
    const { roles, ...rest } = options;
    const client = new TestClient(node.ws, { token: token(user, roles ? { roles: [...roles] } : {}), ...rest });
    this.clients.push(client);
    return client;
  }

  /** Resolves when connection_established has come. */
  async connect(
    node: NodeProcess,
    user: string,
    options: ClientOptions & { readonly roles?: readonly string[] } = {},
  ): Promise<TestClient & { readonly establishedData: EstablishedData }> {
    const client = this.dial(node, user, options);
    await client.established();
    return client as TestClient & { readonly establishedData: EstablishedData };
  }

  async rest(
    node: NodeProcess,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(`${node.http}/api/unified/ws${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken()}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  /** The registry entry of a user. */
  entry(user: string): Promise<Record<string, string>> {
    return this.store.hgetall(`uws:{u:${user}}:conn`);
  }

  endClients(): void {
    for (const client of this.clients.splice(0)) client.terminate();
  }

  async stop(): Promise<void> {
    this.endClients();
    await this.cluster.kill();
    await this.redis.stop();
  }
}
