import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { Unmendable } from './persist.js';
import { loadScriptsFirst } from './scriptLoading.js';

/** A client of a standalone server, of a Sentinel group, or of a Cluster: the callers cannot tell. */
export type RedisClient = Redis | Cluster;

/**
 * What a connection is for.
 *
 * - `command`: scripts and publishes. Pipelined per turn, fails fast: no offline queue (a PUBLISH that waits there runs before
 *   the subscriber is back and is lost although its promise resolves), no resend after a drop (the script may have run).
 * - `subscriber`: pub/sub only. Resubscribing is the bus's work, which must know when it happened.
 * - `producer`: adds jobs. As `command`, but not pipelined with it, so that a queue on its own server is possible.
 * - `worker`: BullMQ's blocking reads; waits for Redis for ever.
 */
export type ConnectionRole = 'command' | 'subscriber' | 'producer' | 'worker';

export interface ConnectOptions {
  /** Time a command may take before it rejects, milliseconds. It may still run later (C8). */
  readonly commandTimeoutMs: number;
  /** Shown by CLIENT LIST. */
  readonly name: string;
  /** Further nodes of the Cluster that are known by now. */
  readonly peers?: () => readonly Host[];
}

export type RedisTarget =
  | { readonly kind: 'standalone'; readonly url: string }
  | {
      readonly kind: 'sentinel';
      readonly hosts: readonly Host[];
      readonly master: string;
      readonly credentials: Credentials;
      readonly db: number;
    }
  | { readonly kind: 'cluster'; readonly hosts: readonly Host[]; readonly credentials: Credentials };

export interface Host {
  readonly host: string;
  readonly port: number;
}
interface Credentials {
  readonly username?: string;
  readonly password?: string;
}

/**
 * Reads `redis://`, `rediss://`, `redis+sentinel://[user:password@]host:port,…/master[/db]` and
 * `redis+cluster://[user:password@]host:port,…`.
 *
 * @throws TypeError when the text is none of these; the message never repeats the text, it may hold a password.
 */
export function parseRedisUrl(text: string): RedisTarget {
  const [, scheme, rest = ''] = /^(rediss?|redis\+sentinel|redis\+cluster):\/\/(.+)$/.exec(text) ?? [];
  if (!scheme)
    throw new TypeError('a Redis URL starts with redis://, rediss://, redis+sentinel:// or redis+cluster://');
  if (scheme === 'redis' || scheme === 'rediss') return { kind: 'standalone', url: text };
  // The last @ ends the login: a password may hold any character.
  const at = rest.lastIndexOf('@');
  const credentials = parseLogin(rest.slice(0, Math.max(0, at)));
  const [authority = '', ...path] = (rest.slice(at + 1).split('?', 1)[0] as string).split('/');
  const hosts = authority.split(',').map((entry) => parseHost(entry, scheme === 'redis+sentinel' ? 26379 : 6379));
  if (scheme === 'redis+cluster') return { kind: 'cluster', hosts, credentials };
  const [master = '', db = '0'] = path;
  if (!master) throw new TypeError('a redis+sentinel:// URL ends with the name of the master group');
  return { kind: 'sentinel', hosts, master: decodeURIComponent(master), credentials, db: Number(db) || 0 };
}

function parseLogin(login: string): Credentials {
  const colon = login.indexOf(':');
  const username = decodeURIComponent(login.slice(0, Math.max(0, colon)));
  const password = decodeURIComponent(login.slice(colon + 1));
  return { ...(username ? { username } : {}), ...(password ? { password } : {}) };
}

function parseHost(entry: string, defaultPort: number): Host {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(entry);
  if (!match?.[1]) throw new TypeError('a Redis host is written host or host:port');
  return { host: match[1].replace(/^\[|\]$/g, ''), port: match[2] ? Number(match[2]) : defaultPort };
}

/** Quick at first (a restart is over in a second), then at most every 2 s, jittered so that nodes do not return in step. */
const retryStrategy = (times: number): number =>
  Math.min(2000, 50 * 2 ** Math.min(times, 6)) * (0.75 + Math.random() / 2);

/** ioredis's constructors are generic over the reply mapping and refuse a bare `RedisOptions` under exact optional types. */
type ClientOptions = RedisOptions & { replyMapping?: 'legacy' };

/**
 * ioredis runs one automatic pipeline at a time: what comes meanwhile waits for its answers. Evicts, their acknowledgements
 * and the proof that the bus is heard must not wait for a slow one. Scripts are loaded before what follows, not with it.
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
 * Opens no socket yet: call `connect()`. The caller owns the client, listens to `error`, and ends it. A client of the role
 * `command` makes its server know every script first.
 */
export function createRedis(target: RedisTarget, role: ConnectionRole, options: ConnectOptions): RedisClient {
  const client = newClient(target, role, options);
  if (role === 'command') loadScriptsFirst(client);
  return client;
}

function newClient(target: RedisTarget, role: ConnectionRole, options: ConnectOptions): RedisClient {
  const redisOptions = roleOptions(role, options);
  if (target.kind === 'standalone') return new Redis(target.url, redisOptions);
  if (target.kind === 'sentinel') {
    return new Redis({
      ...redisOptions,
      ...target.credentials,
      sentinels: target.hosts.map((host) => ({ ...host })),
      name: target.master,
      db: target.db,
    });
  }
  if (role === 'subscriber') {
    const peers = options.peers ?? (() => []);
    return subscribeToOne(target.hosts, { ...redisOptions, ...target.credentials }, peers);
  }
  const clusterOptions: ClusterOptions & { redisOptions: ClientOptions } = {
    lazyConnect: true,
    enableAutoPipelining: redisOptions.enableAutoPipelining ?? false,
    autoPipeliningIgnoredCommands: UNPIPELINED,
    enableOfflineQueue: redisOptions.enableOfflineQueue ?? true,
    clusterRetryStrategy: retryStrategy,
    // Without it a client whose pipelines are told MOVED for several slots at once would never learn who has them now.
    slotsRefreshInterval: 5000,
    redisOptions: { ...redisOptions, ...target.credentials },
  };
  return new Cluster(
    target.hosts.map((host) => ({ ...host })),
    clusterOptions,
  );
}

/**
 * Any node of a Cluster hears what is published on any other, so one ordinary connection does, to another node after each failure.
 * ioredis's Cluster client changes its subscriber's node without a word: what is missed meanwhile, nobody knew of (C12).
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

const MINIMUM_VERSION = 7;

/**
 * Refuses servers that are too old: script flags (`allow-oom`, Q6) came with Redis 7.0.
 *
 * @throws Unmendable that names the version found.
 */
export async function requireVersion(redis: RedisClient): Promise<string> {
  const info = await redis.info('server');
  const version = /redis_version:(\S+)/.exec(info)?.[1] ?? 'unknown';
  if (!(Number.parseInt(version, 10) >= MINIMUM_VERSION)) {
    throw new Unmendable(`Redis ${version} is too old: this needs ${MINIMUM_VERSION}.0 or newer`);
  }
  return version;
}
