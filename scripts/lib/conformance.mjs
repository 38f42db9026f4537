import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { nodeMain } from './bundle.mjs';
import { signToken } from './dev-tokens.mjs';
import { Stop } from './entry.mjs';
import { root } from './paths.mjs';
import { freePort } from './ports.mjs';
import { hasEnded, spawnOwned, stopOwned } from './processes.mjs';

const START_DEADLINE_MS = 30_000;
const STOP_GRACE_MS = 12_000;
const TOKENS = {
  JWT_SECRET: 'secret-of-the-conformance-suite-0123456789',
  JWT_ISSUER: 'https://conformance.test',
  JWT_AUDIENCE: 'conformance',
};
const LIFETIME_S = 3600;

/**
 * Shorter than the defaults, so that what a client has to wait for comes soon: the suite asks /info how long to wait. With the
 * endpoints of the predecessor, for the tests of the roll-out.
 */
const SETTINGS = {
  AUTH_TIMEOUT_MS: '1500',
  PING_INTERVAL_MS: '2000',
  PING_TIMEOUT_MS: '1500',
  HEARTBEAT_INTERVAL_MS: '1000',
  TOKEN_GRACE_MS: '1000',
  LEGACY_ENDPOINTS: 'true',
};

/** Of the target CONFORMANCE_SMALL_URL. */
const SMALL = {
  MAX_CONNECTIONS: '2',
  MAX_SUBSCRIPTIONS: '20',
  HISTORY_SIZE: '20',
  WINDOW_SIZE: '20',
  MAILBOX_SIZE: '5',
};

/** UWS_NODE_MAIN: another build of the node, to see the suite fail when a rule is taken out of it. */
const testedMain = () => process.env.UWS_NODE_MAIN ?? nodeMain;

/** One way to deploy the cluster, with which the whole suite is run. */
export const TOPOLOGIES = [
  { name: 'one node', nodes: 1, faults: true },
  { name: 'three nodes', nodes: 3, faults: false },
];

/** The others that are promised to work, for `npm run test:deep`. `redis` and `queueRedis`: names of REDIS. */
export const DEEP_TOPOLOGIES = [
  { name: 'three nodes on Redis Cluster', nodes: 3, redis: 'cluster' },
  { name: 'three nodes on Redis Sentinel', nodes: 3, redis: 'sentinels' },
  { name: 'three nodes with a Redis for the queue', nodes: 3, queueRedis: 'server' },
  { name: 'three nodes on Redis Cluster with a Redis for the queue', nodes: 3, redis: 'cluster', queueRedis: 'server' },
];

/** Servers that are one Redis to the nodes: { url, stop() }. Those of several servers come from the support of the tests. */
const REDIS = {
  server: startServer,
  cluster: async () => (await topologies()).startRedisCluster(),
  sentinels: async () => (await topologies()).startSentinels(),
};

const topologies = () => import(pathToFileURL(path.join(root, 'build', 'test', 'test', 'support', 'topologies.js')));

async function startServer(redisServer) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'unified-ws-conformance-'));
  const port = await freePort();
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', dir];
  const settings = ['--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'];
  const child = spawnOwned(redisServer, [...args, ...settings], { stdout: 'ignore' });
  const stop = async () => {
    await stopOwned(child, STOP_GRACE_MS);
    fs.rmSync(dir, { recursive: true, force: true });
  };
  try {
    await untilListening(child, port, 'Redis');
    return { url: `redis://127.0.0.1:${port}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resolves when something listens on the port. */
async function untilListening(child, port, what) {
  const deadline = Date.now() + START_DEADLINE_MS;
  for (;;) {
    const open = await new Promise((resolve) => {
      const socket = net.connect({ port, host: '127.0.0.1' });
      socket.once('connect', () => resolve(true) || socket.destroy());
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    if (hasEnded(child) || Date.now() > deadline) throw new Stop(`${what} did not start`);
    await delay(50);
  }
}

async function untilReady(child, url, output) {
  const deadline = Date.now() + START_DEADLINE_MS;
  while (!(await isReady(url))) {
    if (hasEnded(child) || Date.now() > deadline) throw new Stop(`The node at ${url} is not ready:\n${output()}`);
    await delay(50);
  }
}

/** A node hears of the others within a second, and tells nothing of them before. */
async function untilAcquainted(urls) {
  const headers = { authorization: `Bearer ${conformanceTokens(TOKENS).CONFORMANCE_ADMIN_TOKEN}` };
  const deadline = Date.now() + START_DEADLINE_MS;
  for (const url of urls) {
    for (;;) {
      const response = await fetch(`${url}/api/unified/ws/nodes`, { headers, signal: AbortSignal.timeout(5000) });
      const { nodes = [] } = await response.json();
      if (nodes.length === urls.length) break;
      if (Date.now() > deadline) throw new Stop(`${url} knows ${nodes.length} of ${urls.length} nodes`);
      await delay(50);
    }
  }
}

async function isReady(url) {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    // Nobody listens there yet.
    return false;
  }
}

/** Redis and nodes for one run of the suite; `stop()` ends them, and so does the end of this process. */
export class ConformanceTarget {
  #nodes = [];
  #servers = [];
  #redisEnv;

  /** The nodes of `topology`, and the targets with special settings beside them, each with keys of its own in one Redis. */
  static async start(redisServer, { nodes, faults = false, redis = 'server', queueRedis }) {
    const target = new ConformanceTarget();
    try {
      await target.#startRedis(redisServer, redis, queueRedis);
      const urls = await Promise.all([
        ...Array.from({ length: nodes }, (_, n) => target.#startNode({ ...SETTINGS, NODE_ID: `n${n + 1}` })),
        target.#startNode({ ...SETTINGS, NODE_ID: 'reject', REDIS_PREFIX: 'reject', CONNECTION_POLICY: 'reject' }),
        target.#startNode({ ...SETTINGS, NODE_ID: 'small', REDIS_PREFIX: 'small', ...SMALL }),
      ]);
      await untilAcquainted(urls.slice(0, nodes));
      target.env = {
        ...conformanceTokens(TOKENS),
        CONFORMANCE_URL: urls.slice(0, nodes).join(','),
        CONFORMANCE_LEGACY_URL: urls.slice(0, nodes).join(','),
        CONFORMANCE_REJECT_URL: urls.at(-2),
        CONFORMANCE_SMALL_URL: urls.at(-1),
        CONFORMANCE_PROBES: '1',
        CONFORMANCE_FAULTS: faults ? '1' : '',
      };
      return target;
    } catch (error) {
      await target.stop();
      throw error;
    }
  }

  async #startRedis(redisServer, kind, queueKind) {
    const start = async (name) => {
      const server = await REDIS[name](redisServer);
      this.#servers.push(server);
      return server.url;
    };
    this.#redisEnv = { REDIS_URL: await start(kind) };
    if (queueKind) this.#redisEnv.REDIS_QUEUE_URL = await start(queueKind);
  }

  async #startNode(settings) {
    const port = await freePort();
    const { PATH, HOME, TMPDIR } = process.env;
    // No setting of the surroundings reaches the nodes.
    const env = { PATH, HOME, TMPDIR, HOST: '127.0.0.1', PORT: String(port), ...this.#redisEnv };
    const child = spawnOwned(process.execPath, [testedMain()], {
      env: {
        ...env,
        ...TOKENS,
        LOG_LEVEL: 'warn',
        EVENT_QUEUE: process.env.TEST_EVENT_QUEUE ?? 'auto',
        EVENT_QUEUE_PARTITIONS: '2',
        ...settings,
      },
      stdout: 'pipe',
      stderr: 'pipe',
    });
    this.#nodes.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output = (output + chunk).slice(-4000);
      });
    }
    const url = `http://127.0.0.1:${port}`;
    await untilReady(child, url, () => output);
    return url;
  }

  /** Nodes before Redis, so that they can say good-bye. */
  async stop() {
    await Promise.all(this.#nodes.map((child) => stopOwned(child, STOP_GRACE_MS)));
    await Promise.all(this.#servers.map((server) => server.stop()));
  }
}

/** What the suite needs to know of a target with these settings of its tokens. Of a list the first counts. */
export function conformanceTokens(settings) {
  const token = (sub, role) => signToken({ sub, roles: [role], lifetime: LIFETIME_S }, settings);
  const [secret, issuer, audience] = ['JWT_SECRET', 'JWT_ISSUER', 'JWT_AUDIENCE'].map((name) => settings[name] ?? '');
  return {
    CONFORMANCE_ADMIN_TOKEN: token('conformance-admin', 'admin'),
    CONFORMANCE_USER_TOKEN: token('conformance-user', 'user'),
    CONFORMANCE_JWT_SECRET: secret.split(',')[0],
    CONFORMANCE_JWT_ISSUER: issuer,
    CONFORMANCE_JWT_AUDIENCE: audience.split(',')[0],
  };
}
