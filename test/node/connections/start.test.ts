import { createNode, type Node } from '@unified-ws/server/node';
import { loadSettings } from '@unified-ws/server/settings/settings';
import { expect } from 'chai';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { RedisProxy } from '../../support/redisProxy.js';
import { TEST_SECRET } from '../../support/tokens.js';
import { until, within } from '../../support/wait.js';

/** Links of a node with one partition: commands, subscriber, producer, workers, and one a lane that waits for jobs. */
const LINKS = 6;

describe('the start of a node', function () {
  this.timeout(30_000);
  let redis: RedisServer;
  let proxy: RedisProxy;
  let node: Node;

  beforeEach(async () => {
    redis = await startRedis();
    proxy = await RedisProxy.start(redis.port);
    node = createNode(
      loadSettings({
        HOST: '127.0.0.1',
        PORT: '0',
        NODE_ID: 'starting',
        REDIS_URL: proxy.url,
        JWT_SECRET: TEST_SECRET,
        EVENT_QUEUE_PARTITIONS: '1',
        LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
      }),
    );
  });
  afterEach(async () => {
    await node.stop();
    await proxy.stop();
    await redis.stop();
  });

  const cutAll = (): void => {
    for (const link of proxy.links) link.destroy();
  };

  async function readiness(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${node.port}/readyz`);
    await response.arrayBuffer();
    return response.status;
  }

  async function serves(): Promise<void> {
    await within(node.start(), 15_000, 'the node starts');
    await until(async () => (await readiness()) === 200, { timeoutMs: 10_000, what: 'the node is ready' });
    await until(() => proxy.links.size === LINKS, { what: () => `${proxy.links.size} links: none may be left over` });
  }

  // With each step of the start taken once only, half of these end it: "Connection is closed.", or "Reached the max retries".
  for (const ms of [5, 10, 15, 20, 30, 40, 85, 150]) {
    it(`must stand a cut of all links to Redis ${ms} ms after the first`, async () => {
      const cut = new Promise<void>((resolve) => {
        proxy.onLink = () => {
          proxy.onLink = () => undefined;
          setTimeout(() => {
            cutAll();
            resolve();
          }, ms);
        };
      });
      await Promise.all([serves(), cut]);
      await until(async () => (await readiness()) === 200, {
        timeoutMs: 10_000,
        what: 'the node is ready after the cut',
      });
    });
  }

  // With the steps taken once, links 3 to 6 end it; with what failed not taken down, cuts at links 4 to 6 leave links over.
  for (let nth = 1; nth <= LINKS; nth += 1) {
    it(`must stand a cut of all links when link ${nth} is made, and again when the next is`, async () => {
      let made = 0;
      proxy.onLink = () => {
        made += 1;
        if (made === nth || made === nth + 1) setImmediate(cutAll);
      };
      await serves();
    });
  }

  // Without the signal in `persist` the tries go on, and `start` never returns.
  for (const healthy of [0, 2, 3, 4]) {
    it(`must end in time when told to while only ${healthy} links to Redis hold, and leave none`, async () => {
      let made = 0;
      proxy.onLink = (link) => {
        made += 1;
        if (made > healthy) setImmediate(() => link.destroy());
      };
      const started = node.start();
      await until(() => made > healthy + 3, { what: 'further tries' });
      const reportedAt = performance.now();
      await node.stop();
      await within(started, 1000, 'the start ends');
      expect(performance.now() - reportedAt).to.be.below(4000);
      const after = made;
      await until(() => proxy.links.size === 0, { what: 'no link is left' });
      expect(made).to.equal(after);
    });
  }

  it('must fail at once for what no repeat mends: another number of partitions (Q7)', async () => {
    await redis.client().set('uws:partitions', '3');
    const error = await within(
      node.start().then(
        () => null,
        (reason: unknown) => reason,
      ),
      5000,
      'the start fails',
    );
    expect(error)
      .to.be.an('error')
      .with.property('message')
      .that.matches(/EVENT_QUEUE_PARTITIONS is 1/);
  });
});
