import { createRedis, parseRedisUrl, type RedisClient } from '@unified-ws/server/redis/connect';
import { Keys } from '@unified-ws/server/redis/keys';
import { RegistryStore } from '@unified-ws/server/registry/store/registryStore';
import { expect } from 'chai';
import { Cluster, type Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../../support/redis.js';
import { startRedisCluster } from '../../../support/topologies.js';

const CALLS = 200;

/** How many calls found their script unknown since the server started. */
async function unknownScripts(server: Redis): Promise<number> {
  const info = await server.info('errorstats');
  return Number(/errorstat_NOSCRIPT:count=(\d+)/.exec(info)?.[1] ?? 0);
}

// Seen red without `loadScriptsFirst`: the first 200 calls of each connection were 200 NOSCRIPTs, each sent once more behind
// what came after it.
describe('scripts on a new connection to Redis', function () {
  this.timeout(30_000);
  const errors: unknown[] = [];
  const open = (url: string): RedisClient => {
    const client = createRedis(parseRedisUrl(url), 'command', { commandTimeoutMs: 5000, name: 'test' });
    client.on('error', (error: unknown) => errors.push(error));
    return client;
  };
  const releases = (redis: RedisClient): Promise<unknown> => {
    const store = new RegistryStore({ redis, keys: new Keys('uws'), policy: 'replace' });
    return Promise.all(Array.from({ length: CALLS }, (_, i) => store.release(`user-${i}`, 'conn', '1', '')));
  };

  describe('of one server', () => {
    let server: RedisServer;
    let client: RedisClient;

    before(async () => {
      server = await startRedis();
      client = open(server.url);
      await client.connect();
    });
    after(async () => {
      client.disconnect();
      await server.stop();
    });

    it('must be known before the first command, or commands of one connection change places', async () => {
      await releases(client);
      expect(await unknownScripts(server.client())).to.equal(0);
    });

    it('must be loaded again after a restart, before anything else', async () => {
      // Whoever asks in the moment of `ready`, as the node's recovery does.
      // Not by `once` of Node.js: an attempt to connect that fails while the server restarts would end the wait.
      const ready = new Promise<void>((resolve) => client.once('ready', resolve)).then(() => releases(client));
      await server.restart();
      await ready;
      expect(await unknownScripts(server.client())).to.equal(0);
    });

    it('must be sent as text when they were flushed under a living connection', async () => {
      await server.client().script('FLUSH');
      await releases(client);
      expect(await unknownScripts(server.client())).to.be.greaterThan(0);
    });
  });

  // Seen red without `askWhenConnected`: three connects in ten were thrown away and begun anew for more than 30 s.
  it('must be known by every master of a Cluster', async () => {
    const cluster = await startRedisCluster();
    const client = open(cluster.url);
    try {
      await client.connect();
      await releases(client);
      if (!(client instanceof Cluster)) throw new Error('not a Cluster');
      const unknown = await Promise.all(client.nodes('master').map(unknownScripts));
      expect(unknown).to.deep.equal([0, 0, 0]);
    } finally {
      client.disconnect();
      await cluster.stop();
    }
  });
});
