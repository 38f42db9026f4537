import { createNode } from '@unified-ws/server/node';
import { Keys } from '@unified-ws/server/redis/keys';
import { loadSettings } from '@unified-ws/server/settings/settings';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { TEST_SECRET } from '../../support/tokens.js';
import { until, within } from '../../support/wait.js';
import { LocalNode, World } from '../support/world.js';

const keys = new Keys('uws');

/** What redis-server told of its clients. */
async function databases(redis: Redis): Promise<{ name: string; db: string }[]> {
  const list = String(await redis.client('LIST'));
  return list.split('\n').flatMap((line) => {
    const [, name = '', db = ''] = / name=(\S+) .* db=(\d+) /.exec(line) ?? [];
    return name === '' ? [] : [{ name, db }];
  });
}

describe('the database of a node', function () {
  this.timeout(30_000);
  const world = new World();
  let redis: Redis;
  const extra: LocalNode[] = [];

  before(async () => {
    await world.start();
    redis = world.redis.client();
  });
  afterEach(async () => {
    await Promise.all(extra.splice(0).map(({ node }) => node.stop()));
    await world.endClients();
    await world.endNodes();
    await redis.flushall();
  });
  after(() => world.stop());

  /** A node that may never serve. */
  function begin(env: Readonly<Record<string, string>>): LocalNode {
    const local = new LocalNode(
      createNode(
        loadSettings({
          HOST: '127.0.0.1',
          PORT: '0',
          NODE_ID: 'begun',
          REDIS_URL: world.redis.url,
          JWT_SECRET: TEST_SECRET,
          EVENT_QUEUE_PARTITIONS: '1',
          LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
          ...env,
        }),
      ),
    );
    extra.push(local);
    local.node.start().catch(() => undefined);
    return local;
  }

  async function readyz({ http, port }: LocalNode): Promise<{ status: number; text: string }> {
    if (port === 0) return { status: 0, text: '' };
    const response = await fetch(`${http}/readyz`);
    return { status: response.status, text: await response.text() };
  }

  // Seen red with ioredis's own ready check: the node served, in database 0.
  for (const name of ['REDIS_URL', 'REDIS_QUEUE_URL']) {
    it(`that Redis does not have must keep the node from being ready, and nothing must be written elsewhere: ${name}`, async () => {
      const node = begin({ [name]: `${world.redis.url}/99` });
      await until(async () => (await readyz(node)).text.includes(`${name} names database 99`), {
        what: 'the reason in /readyz',
      });
      expect((await readyz(node)).status).to.equal(503);
      const written = await redis.keys('*');
      expect(
        name === 'REDIS_URL' ? written : written.filter((key) => key.includes(':q') || /partitions/.test(key)),
      ).to.deep.equal([]);
    });
  }

  it('must hold for each of its connections, BullMQ’s own too, and again after each has been cut', async () => {
    const node = await world.node({ REDIS_URL: `${world.redis.url}/5`, REDIS_QUEUE_URL: `${world.redis.url}/6` });
    const own = async () => (await databases(redis)).filter(({ name }) => name.includes(node.node.id));
    const right = async (): Promise<boolean> => {
      const all = await own();
      const bus = all.filter(({ name }) => /command|subscriber/.test(name));
      const queue = all.filter(({ name }) => !/command|subscriber/.test(name));
      return (
        bus.length === 2 &&
        queue.length >= 3 &&
        bus.every(({ db }) => db === '5') &&
        queue.every(({ db }) => db === '6')
      );
    };
    await until(right, { what: 'each connection in its database' });
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until(right, { timeoutMs: 10_000, what: 'the same after the cut' });
    await until(async () => (await node.readiness()) === 200, { timeoutMs: 10_000, what: 'the node serves again' });
    expect(await redis.dbsize()).to.equal(0);
  });

  it('must be looked at again when Redis came back with fewer of them', async () => {
    let server: RedisServer = await startRedis();
    const { port } = server;
    try {
      const node = begin({ REDIS_URL: `${server.url}/9` });
      await until(async () => (await readyz(node)).status === 200, { what: 'the node is ready' });
      await server.stop();
      server = await startRedis({ port, args: ['--databases', '2'] });
      await until(async () => (await readyz(node)).text.includes('REDIS_URL names database 9'), {
        timeoutMs: 10_000,
        what: 'the reason in /readyz',
      });
      expect((await readyz(node)).status).to.equal(503);
      expect(await server.client().dbsize()).to.equal(0);
    } finally {
      await server.stop();
    }
  });

  it('need not be told by a Redis that forbids CLIENT: then SELECT says whether it is there', async () => {
    await redis.call('ACL', 'SETUSER', 'narrow', 'on', '>pw', 'allkeys', 'allchannels', '+@all', '-client', '-info');
    try {
      const url = world.redis.url.replace('//', '//narrow:pw@');
      const [there, gone] = [begin({ REDIS_URL: `${url}/3` }), begin({ REDIS_URL: `${url}/99`, NODE_ID: 'other' })];
      await until(async () => (await readyz(gone)).text.includes('REDIS_URL names database 99'), {
        what: 'the reason',
      });
      await until(async () => (await readyz(there)).status === 200, {
        timeoutMs: 10_000,
        what: 'the other one serves',
      });
      expect(await redis.dbsize()).to.equal(0);
    } finally {
      await redis.call('ACL', 'DELUSER', 'narrow');
    }
  });

  it('a wrong password must be told in /readyz, without it', async () => {
    const node = begin({ REDIS_URL: world.redis.url.replace('//', '//nobody:TOPSECRET@') });
    await until(async () => (await readyz(node)).text.includes('REDIS_URL: Redis refuses the user or the password'), {
      what: 'the reason',
    });
    expect((await readyz(node)).text).to.not.include('TOPSECRET');
  });

  describe('other than 0', () => {
    const store = new Keys('uws', 4);

    /** As a node of the version before cards beats: there is no card. */
    function oldNode(db: number): { stop: () => void } {
      const client = world.redis.client({ db });
      let beat = 0;
      const timer = setInterval(() => {
        beat += 1;
        void client.hset(keys.nodes(), 'old.1', beat);
      }, 200);
      return { stop: () => clearInterval(timer) };
    }

    it('must not be entered while nodes of the older version are alive there, who use other channels', async () => {
      const old = oldNode(4);
      const other = oldNode(0);
      try {
        await until(async () => (await world.redis.client({ db: 4 }).hlen(store.nodes())) === 1, {
          what: 'the old node',
        });
        const settings = (db: number) => ({ REDIS_URL: `${world.redis.url}/${db}` });
        const failed = createNode(
          loadSettings({ HOST: '127.0.0.1', PORT: '0', JWT_SECRET: TEST_SECRET, LOG_LEVEL: 'silent', ...settings(4) }),
        );
        extra.push(new LocalNode(failed));
        const error = await within(
          failed.start().then(
            () => null,
            (reason: unknown) => reason,
          ),
          8000,
          'the start fails',
        );
        expect(error)
          .to.be.an('error')
          .with.property('message')
          .that.includes('older version are alive in database 4 (old)');
        // Beside them in database 0, and where they have ended.
        await world.node();
        old.stop();
        const node = await world.node(settings(4));
        const client = await world.connect(node);
        expect(client.isOpen).to.equal(true);
      } finally {
        old.stop();
        other.stop();
      }
    });
  });
});
