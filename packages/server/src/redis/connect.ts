import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { checkBeforeReady, isForbidden, type ReadyCheckOptions } from './checkBeforeReady.js';
import { ConnectionFaults } from './connectionFaults.js';
import { loadScriptsFirst } from './loadScriptsFirst.js';
import type { RedisHost as Host, RedisTarget } from './redisUrl.js';

export { parseRedisUrl, type RedisHost as Host } from './redisUrl.js';

/** A client of a standalone server, of a Sentinel group, or of a Cluster: callers need not know which. */
export type RedisClient = Redis | Cluster;

/**
 * The purpose of a connection.
 *
 * - `command`: scripts and publishes. Pipelined per turn, fails fast: no offline queue (a PUBLISH that waits there runs before
 *   the subscriber is back and is lost although its promise resolves), no resend after a drop (the script may have run).
 * - `subscriber`: pub/sub only. The bus resubscribes itself, because it must know when that happened.
 * - `producer`: adds jobs. Like `command`, but with a pipeline of its own, so that the queue may be on another server.
 * - `worker`: BullMQ's blocking reads; waits for Redis without limit.
 * - `inspection`: one inspection of a Redis; does not reconnect.
 */
export type ConnectionRole = 'command' | 'subscriber' | 'producer' | 'worker' | 'inspection';

export interface ConnectOptions {
  /** Time after which a command rejects, milliseconds. The command may still run later (C8). */
  readonly commandTimeoutMs: number;
  /** Shown by CLIENT LIST. */
  readonly name: string;
  /** The setting that the target comes from. Default REDIS_URL. */
  readonly setting?: string;
  /** Called with the reason why a connection cannot be used. */
  readonly faults?: ConnectionFaults;
  /** Further nodes of the Cluster that are known by now. */
  readonly peers?: () => readonly Host[];
}

/** Quick at first (a restart is over in a second), then at most every 2 s, jittered so that nodes do not return in step. */
const retryStrategy = (times: number): number =>
  Math.min(2000, 50 * 2 ** Math.min(times, 6)) * (0.75 + Math.random() / 2);

/** ioredis's constructors are generic over the reply mapping and refuse a bare `RedisOptions` under exact optional types. */
type ClientOptions = RedisOptions & { replyMapping?: 'legacy' };

/**
 * ioredis runs one automatic pipeline at a time: later commands wait for its answers. Evicts, their confirmations
 * and the proof that the bus is heard must not wait for a slow pipeline. Scripts are loaded before later commands, not with them.
 */
const UNPIPELINED = ['publish', 'script'];

function roleOptions(role: ConnectionRole, options: ConnectOptions): ClientOptions {
  const common: ClientOptions = {
    connectionName: options.name,
    protocol: 2, // 10-20 % less CPU than RESP3 for pub/sub and BullMQ
    connectTimeout: 5000,
    disconnectTimeout: 500, // a node that ends waits no longer for a server that does not answer its goodbye
    keepAlive: 10_000,
    retryStrategy,
    lazyConnect: true,
    // A master that became a replica refuses writes: reconnect, so that Sentinel or DNS leads to the new one.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
  };
  switch (role) {
    case 'command':
    case 'producer':
      return {
        ...common,
        enableAutoPipelining: role === 'command',
        autoPipeliningIgnoredCommands: UNPIPELINED,
        enableOfflineQueue: false,
        autoResendUnfulfilledCommands: false,
        maxRetriesPerRequest: 0,
        commandTimeout: options.commandTimeoutMs,
      };
    case 'inspection':
      return {
        ...common,
        retryStrategy: () => null,
        enableOfflineQueue: false,
        maxRetriesPerRequest: 0,
        commandTimeout: options.commandTimeoutMs,
      };
    case 'subscriber':
      return {
        ...common,
        autoResubscribe: false,
        enableOfflineQueue: false,
        autoResendUnfulfilledCommands: false,
        maxRetriesPerRequest: 0,
        commandTimeout: options.commandTimeoutMs,
      };
    case 'worker':
      // Blocking reads last 10 s at most: longer silence means that the host is gone.
      return { ...common, maxRetriesPerRequest: null, socketTimeout: 15_000 };
  }
}

/**
 * Does not open a socket yet: call `connect()`. The caller owns the client, listens to `error`, and ends it. A client of the role
 * `command` loads every script into its server first.
 */
export function createRedis(target: RedisTarget, role: ConnectionRole, options: ConnectOptions): RedisClient {
  const client = newClient(target, role, options);
  if (role === 'worker') hidePolicy(client);
  if (role === 'command') loadScriptsFirst(client);
  return client;
}

function newClient(target: RedisTarget, role: ConnectionRole, options: ConnectOptions): RedisClient {
  const { hosts, credentials, database, family, tls } = target;
  const redisOptions: ClientOptions = {
    ...roleOptions(role, options),
    family,
    ...(tls ? { tls: {} } : {}),
    ...credentials,
  };
  const check: ReadyCheckOptions = {
    setting: options.setting ?? 'REDIS_URL',
    database,
    faults: options.faults ?? new ConnectionFaults(),
  };
  if (target.kind === 'cluster' && role === 'subscriber') {
    const subscriber = subscribeToOne(hosts, redisOptions, options.peers ?? (() => []));
    checkBeforeReady(subscriber, check);
    return subscriber;
  }
  if (target.kind === 'cluster') {
    const clusterOptions: ClusterOptions & { redisOptions: ClientOptions } = {
      lazyConnect: true,
      enableAutoPipelining: redisOptions.enableAutoPipelining ?? false,
      autoPipeliningIgnoredCommands: UNPIPELINED,
      enableOfflineQueue: redisOptions.enableOfflineQueue ?? true,
      clusterRetryStrategy: redisOptions.retryStrategy ?? retryStrategy,
      // Otherwise a client whose pipelines get MOVED for several slots at once would never learn the new map of slots.
      slotsRefreshInterval: 5000,
      redisOptions,
    };
    const cluster = new Cluster(
      hosts.map((host) => ({ ...host })),
      clusterOptions,
    );
    checkNodes(cluster, check);
    return cluster;
  }
  const place =
    target.kind === 'sentinel'
      ? { sentinels: hosts.map((host) => ({ ...host })), name: target.master }
      : { ...hosts[0] };
  const client = new Redis({ ...redisOptions, ...place, db: database });
  checkBeforeReady(client, check);
  return client;
}

/**
 * Each node of a Cluster receives what is published on any other, so one ordinary connection is enough; it uses another node after each failure.
 * ioredis's Cluster client changes its subscriber's node silently, and messages missed meanwhile would go unnoticed (C12).
 */
function subscribeToOne(hosts: readonly Host[], options: ClientOptions, peers: () => readonly Host[]): Redis {
  let turn = Math.floor(Math.random() * hosts.length);
  const next = (): Host => {
    const known = [...hosts, ...peers()];
    turn += 1;
    return known[turn % known.length] as Host;
  };
  const redis: Redis = new Redis({
    ...options,
    ...next(),
    retryStrategy: (times) => {
      const { host, port } = next();
      Object.assign(redis.options, { host, port });
      return retryStrategy(times);
    },
  });
  return redis;
}

/** The nodes of a Cluster that its client knows; none of another client. */
export function clusterNodes(client: RedisClient): Host[] {
  if (!(client instanceof Cluster)) return [];
  return client.nodes('all').map(({ options: { host = '', port = 0 } }) => ({ host, port }));
}

function checkNodes(cluster: Cluster, check: ReadyCheckOptions): void {
  // A node is met before it connects.
  cluster.on('+node', (node: Redis) => checkBeforeReady(node, check));
  const duplicate = cluster.duplicate.bind(cluster);
  Object.assign(cluster, {
    duplicate: (...args: Parameters<Cluster['duplicate']>): Cluster => {
      const twin = duplicate(...args);
      checkNodes(twin, check);
      return twin;
    },
  });
}

/**
 * Each worker of BullMQ reads INFO on its connection: without an answer the worker does not start, and its warning about the eviction policy goes to
 * the console (inspectRedis.ts reports that). When the user may not read INFO, the worker gets the lowest version that a node accepts.
 */
function hidePolicy(client: RedisClient): void {
  const info = client.info.bind(client) as (...args: string[]) => Promise<string>;
  const duplicate = client.duplicate.bind(client) as (...args: unknown[]) => RedisClient;
  Object.assign(client, {
    info: async (...args: string[]): Promise<string> => {
      try {
        return (await info(...args)).replace(/^maxmemory_policy:.*$/m, '');
      } catch (error) {
        if (!isForbidden(error)) throw error;
        return 'redis_version:7.0.0\r\n';
      }
    },
    duplicate: (...args: unknown[]): RedisClient => {
      const twin = duplicate(...args);
      hidePolicy(twin);
      return twin;
    },
  });
}
