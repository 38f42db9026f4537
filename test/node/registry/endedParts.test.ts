import { createNode, type Node } from '@unified-ws/server/node';
import { loadSettings } from '@unified-ws/server/settings/settings';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { startRedis } from '../../support/redis.js';
import { adminToken, TEST_SECRET } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { LocalNode, World } from '../support/world.js';

/** All is known by then (G7), with some room for a slow machine. */
const KNOWN_MS = 10_000;
const EVENT = { event_type: 'custom_event', data: { n: 1 } };

/** Of /readyz and of health: what these tests read of either. */
interface Answer {
  readonly status: number;
  readonly body: {
    readonly status: string;
    readonly reasons: readonly string[];
    readonly notices: readonly string[];
    readonly checks: { readonly lease: { readonly ok: boolean } };
  };
}

async function ask(node: LocalNode, path: string, json?: object): Promise<Answer> {
  const response = await fetch(`${node.http}${path}`, {
    headers: { authorization: `Bearer ${adminToken()}`, 'content-type': 'application/json' },
    ...(json ? { method: 'POST', body: JSON.stringify(json) } : {}),
  });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

const readyz = (node: LocalNode): Promise<Answer> => ask(node, '/readyz');
const health = (node: LocalNode): Promise<Answer> => ask(node, '/api/unified/ws/health');
const publish = (node: LocalNode, key = 'any'): Promise<Answer> =>
  ask(node, '/api/unified/ws/events', { ...EVENT, ordering_key: key });

describe('a node of which a part does not work', function () {
  this.timeout(60_000);
  const world = new World();
  let starting: Node | null;

  beforeEach(() => {
    starting = null;
  });
  afterEach(async () => {
    await starting?.stop();
    await world.stop();
  });

  /** Does not wait for the start. */
  function begin(env: Readonly<Record<string, string>>): LocalNode {
    const node = createNode(
      loadSettings({
        HOST: '127.0.0.1',
        PORT: '0',
        NODE_ID: 'starting',
        REDIS_URL: world.redis.url,
        JWT_SECRET: TEST_SECRET,
        LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
        ...env,
      }),
    );
    starting = node;
    void node.start();
    return new LocalNode(node);
  }

  const becomes = (node: LocalNode, status: number, what: string): Promise<Answer> =>
    until(
      async () => {
        const answer = await readyz(node);
        return answer.status === status && answer;
      },
      { timeoutMs: KNOWN_MS, what: () => what },
    );

  const rejected = async (redis: Redis): Promise<number> =>
    Number(/rejected_connections:(\d+)/.exec(await redis.info('stats'))?.[1]);

  // Seen red: with 6 and with 9 it said 200, took events, and no worker ever came.
  for (const clients of [6, 9, 12]) {
    it(`must not be ready while Redis takes only ${clients} clients and workers have not started, nor take events for ever`, async () => {
      await world.start({ args: ['--maxclients', String(clients)] });
      const redis = world.redis.client();
      await redis.ping();
      // What is appended at once needs no worker.
      const node = begin({ WORKER_STALL_MS: '2000', EVENT_QUEUE: 'always' });
      await until(() => node.port > 0, { what: 'it listens' });
      const asked = await rejected(redis);
      await until(
        async () => {
          const { status, body } = await readyz(node);
          expect(status).to.equal(503);
          expect(body.reasons.join()).to.include('not all parts of the node have started yet');
          return body.checks.lease.ok && (await rejected(redis)) >= asked + 5;
        },
        { timeoutMs: 20_000, what: 'it has all but the workers' },
      );
      // Some queues have a worker: keys for all of them.
      const keys = Array.from({ length: 40 }, (_, index) => `key-${index}`);
      await until(
        async () => {
          const answers = await Promise.all(keys.map((key) => publish(node, key)));
          return answers.some(({ status }) => status === 503);
        },
        { timeoutMs: KNOWN_MS, what: 'an event is refused, since nobody works on it' },
      );
      expect((await health(node)).body.status).to.equal('unhealthy');
      await redis.config('SET', 'maxclients', '100');
      await becomes(node, 200, 'it is ready when there is room');
      await until(
        async () => (await Promise.all(keys.map((key) => publish(node, key)))).every(({ status }) => status === 202),
        { what: 'events are taken' },
      );
      await until(async () => (await health(node)).body.status === 'healthy', { what: 'all is worked off' });
    });
  }

  /** Redis takes nobody new, and ends the connections on which the node's workers wait for jobs. */
  async function endWorkers(redis: Redis, nodeIds: readonly string[]): Promise<void> {
    await redis.config('SET', 'maxclients', '1');
    const list = String(await redis.client('LIST')).split('\n');
    const ids = list
      .filter((line) => nodeIds.some((id) => line.includes(`:w:${id} `)) && / cmd=bzpopmin/.test(line))
      .map((line) => /id=(\d+)/.exec(line)?.[1] ?? '');
    expect(ids.length).to.equal(2 * nodeIds.length);
    await Promise.all(ids.map((id) => redis.call('CLIENT', 'KILL', 'ID', id)));
  }

  // Seen red: 200 for as long as it lasted.
  it('must leave the balancer while its workers cannot come back and another node is well, and return by itself', async () => {
    await world.start();
    const redis = world.redis.client();
    const [one, two] = [await world.node(), await world.node()];
    await endWorkers(redis, [one.node.id]);
    const { body } = await becomes(one, 503, 'it says so');
    expect(body.reasons).to.deep.equal([
      'parts: the event workers are not connected, though Redis answers (events-0, events-urgent)',
    ]);
    expect((await readyz(two)).status).to.equal(200);
    const { body: report } = await health(two);
    expect(report.status).to.equal('degraded');
    expect(report.reasons).to.deep.equal([`${one.node.id}: ${body.reasons[0]}`]);
    await redis.config('SET', 'maxclients', '100');
    await becomes(one, 200, 'it is back');
  });

  it('must stay in the balancer when no other is better off: the sockets that work stay', async () => {
    await world.start();
    const redis = world.redis.client();
    const nodes = [await world.node(), await world.node()];
    await endWorkers(
      redis,
      nodes.map(({ node }) => node.id),
    );
    for (const node of nodes) {
      const { body } = await until(
        async () => {
          const answer = await readyz(node);
          return answer.status === 200 && answer.body.notices.length > 0 && answer;
        },
        { timeoutMs: KNOWN_MS, what: 'it is ready, and says what is wrong' },
      );
      expect(body.notices[0]).to.match(/^parts: the event workers are not connected.*no other node is better off$/);
    }
    expect((await health(nodes[0] as LocalNode)).body.status).to.equal('unhealthy');
    await redis.config('SET', 'maxclients', '100');
    await until(async () => (await health(nodes[0] as LocalNode)).body.status === 'healthy', {
      timeoutMs: KNOWN_MS,
      what: 'all is well',
    });
  });

  it('must stay in the balancer while the Redis of the queue is away, which all share, and say so everywhere', async () => {
    await world.start();
    const queue = await startRedis();
    try {
      const node = await world.node({ REDIS_QUEUE_URL: queue.url });
      const client = await world.connect(node);
      expect((await publish(node)).status).to.equal(202);
      await client.waitFor('custom_event');
      for (const [away, back] of [
        [() => queue.pause(), () => queue.resume()],
        [() => queue.kill9(), () => queue.restart()],
      ] as const) {
        await away();
        const awayAt = performance.now();
        await until(async () => (await health(node)).body.status === 'unhealthy', { what: 'it is told' });
        expect(performance.now() - awayAt).to.be.below(KNOWN_MS);
        const { body } = await until(
          async () => {
            const answer = await readyz(node);
            expect(answer.status).to.equal(200);
            return answer.body.notices.length > 0 && answer;
          },
          { timeoutMs: KNOWN_MS, what: 'the notice' },
        );
        expect(body.notices.join()).to.include('event_queue:');
        expect(await publish(node)).to.deep.include({ status: 503 });
        await client.request('ping');
        await back();
        await until(async () => (await publish(node)).status === 202, { timeoutMs: KNOWN_MS, what: 'it is back' });
        await until(async () => (await readyz(node)).body.notices.length === 0, {
          timeoutMs: KNOWN_MS,
          what: 'the notice is gone',
        });
      }
    } finally {
      await world.endNodes();
      await queue.stop();
    }
  });
});
