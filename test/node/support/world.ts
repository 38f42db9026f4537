import { createNode, type Node, type NodeOptions } from '@unified-ws/server/node';
import { loadSettings } from '@unified-ws/server/settings/settings';
import type { Redis } from 'ioredis';
import { type ClientOptions, TestClient } from '../../support/client.js';
import { LogGuard } from '../../support/logGuard.js';
import { RawClient, type RawOptions } from '../../support/rawClient.js';
import { type RedisServer, type StartRedisOptions, startRedis } from '../../support/redis.js';
import { TEST_SECRET, token } from '../../support/tokens.js';

/** A node in this process. */
export class LocalNode {
  readonly node: Node;

  constructor(node: Node) {
    this.node = node;
  }

  get port(): number {
    return this.node.port;
  }

  /** For `TestClient`. */
  get ws(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  get http(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The answer of `/readyz`. */
  async readiness(): Promise<number> {
    const response = await fetch(`${this.http}/readyz`);
    await response.arrayBuffer();
    return response.status;
  }
}

/** To see what the nodes say when a test fails. Their log is looked through in any case. */
const SHOWN_LEVEL = process.env.TEST_LOG_LEVEL;

/** One Redis, nodes in this process, and clients. A suite makes one, and ends it whatever happened. */
export class World {
  private server: RedisServer | null = null;
  private readonly nodes: LocalNode[] = [];
  private readonly logGuard = new LogGuard();
  /** Gets every line of the nodes' logs. */
  onLog: (line: string) => void = () => undefined;
  private readonly clients = new Set<TestClient>();
  private readonly rawClients: RawClient[] = [];
  private users = 0;

  /** Starts Redis, which is needed first. */
  async start(options: StartRedisOptions = {}): Promise<void> {
    this.server = await startRedis(options);
  }

  get redis(): RedisServer {
    if (!this.server) throw new Error('the world has not started');
    return this.server;
  }

  /**
   * A node that serves.
   *
   * @param env over the defaults of the tests.
   */
  async node(env: Readonly<Record<string, string>> = {}, options: NodeOptions = {}): Promise<LocalNode> {
    const settings = loadSettings({
      HOST: '127.0.0.1',
      PORT: '0',
      NODE_ID: `n${this.nodes.length + 1}`,
      REDIS_URL: env.REDIS_URL ?? this.redis.url,
      JWT_SECRET: TEST_SECRET,
      EVENT_QUEUE: process.env.TEST_EVENT_QUEUE ?? 'auto',
      EVENT_QUEUE_PARTITIONS: '1',
      LOG_LEVEL: SHOWN_LEVEL ?? 'info',
      ...env,
    });
    const local = new LocalNode(createNode(settings, { logTo: { write: (line) => this.log(line) }, ...options }));
    this.nodes.push(local);
    await local.node.start();
    return local;
  }

  private log(line: string): void {
    this.logGuard.look(line);
    this.onLog(line);
    if (SHOWN_LEVEL !== undefined) process.stdout.write(line);
  }

  /** A user id that no other test of this world has. */
  user(name = 'user'): string {
    this.users += 1;
    return `${name}-${this.users}`;
  }

  /** Dials and does not wait. */
  dial(node: { readonly ws: string }, options: ClientOptions = {}): TestClient {
    const client = new TestClient(node.ws, options);
    this.clients.add(client);
    client.ended.then(() => this.clients.delete(client));
    return client;
  }

  /** An established connection of the user, of the role `user` unless told otherwise. */
  async connect(
    node: { readonly ws: string },
    user: string = this.user(),
    roles: readonly string[] = ['user'],
    options: ClientOptions = {},
  ): Promise<TestClient> {
    const client = this.dial(node, { token: token(user, { roles }), ...options });
    await client.established();
    return client;
  }

  /** An upgraded connection that does only what it is told. */
  async raw(node: { readonly port: number }, options: RawOptions = {}): Promise<RawClient> {
    const client = await RawClient.open(node.port, options);
    this.rawClients.push(client);
    return client;
  }

  admin(node: { readonly ws: string }): Promise<TestClient> {
    return this.connect(node, this.user('admin'), ['admin']);
  }

  /** The registry entry of a user. */
  entry(redis: Redis, user: string): Promise<Record<string, string>> {
    return redis.hgetall(`uws:{u:${encodeURIComponent(user)}}:conn`);
  }

  /** Ends the raw clients alone. */
  endRaw(): void {
    for (const client of this.rawClients.splice(0)) client.destroy();
  }

  /** Between two tests of a suite. */
  async endClients(): Promise<void> {
    this.endRaw();
    await Promise.all([...this.clients].map((client) => client.close()));
  }

  async endNodes(): Promise<void> {
    await Promise.all(this.nodes.splice(0).map(({ node }) => node.stop()));
    this.logGuard.assertClean();
  }

  async stop(): Promise<void> {
    await this.endClients();
    await this.endNodes();
    await this.server?.stop();
  }
}
