import { AGREEMENTS } from '@unified-ws/server/settings/agreement';
import { expect } from 'chai';
import { startRedis } from '../../support/redis.js';
import { RedisProxy } from '../../support/redisProxy.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type LocalNode, World } from '../support/world.js';

describe('nodes whose settings differ while a deploy rolls', function () {
  this.timeout(30_000);
  const world = new World();

  beforeEach(() => world.start());
  afterEach(() => world.stop());

  const CHANGED: Readonly<Record<string, string>> = {
    CONNECTION_POLICY: 'reject',
    JWT_ISSUER: 'https://issuer.example',
    JWT_AUDIENCE: 'other',
    MAX_TOKEN_AGE_MS: '3600000',
    HISTORY_SIZE: '5000',
    HISTORY_BYTES: '8388608',
    HISTORY_TTL_MS: '60000',
    MAILBOX_SIZE: '50',
    MAILBOX_BYTES: '1048576',
    MAILBOX_TTL_MS: '60000',
    WINDOW_SIZE: '100',
    WINDOW_BYTES: '65536',
    EVENT_QUEUE_MAX: '1000',
    WORKER_STALL_MS: '20000',
    MAX_PAYLOAD: '20000',
    MAX_SUBSCRIPTIONS: '50',
    MESSAGE_RATE: '50',
    LEGACY_ENDPOINTS: 'true',
    IDEMPOTENCY_WINDOW_MS: '600000',
  };

  const notices = async (node: LocalNode): Promise<string[]> => {
    const { notices: reported } = (await (await fetch(`${node.http}/readyz`)).json()) as { notices: string[] };
    return reported.filter((text) => text.startsWith('settings: '));
  };

  // Seen red: nothing told of it.
  it('must both serve, and be told of when it lasts longer than a deploy: each setting by its name, with both values', async () => {
    const old = await world.node({}, { differencesReportedMs: 0 });
    const changed = await world.node(CHANGED);
    const names = AGREEMENTS.filter(({ rule, value }) => rule === 'told' && value).map(({ name }) => name);
    expect(Object.keys(CHANGED), 'one change for each').to.have.members(names);
    const reported = await until(
      async () => {
        const all = await notices(old);
        return all.length >= names.length && all;
      },
      { timeoutMs: 10_000, what: 'all are told' },
    );
    for (const name of names) {
      const text = reported.find((one) => one.startsWith(`settings: ${name} differs`)) ?? '';
      expect(text, name).to.include(`${CHANGED[name]} (${changed.node.id})`).and.to.include(`(${old.node.id})`);
    }
    expect(await notices(changed), 'a deploy may take 10 min').to.deep.equal([]);
    expect([await old.readiness(), await changed.readiness()]).to.deep.equal([200, 200]);
    const client = await world.connect(old, world.user());
    await client.request('ping');
    await changed.node.stop();
    await until(async () => (await notices(old)).length === 0, { what: 'they are the same again' });
  });

  /** The card of the first node says that what it tells counts. */
  const joined = async (): Promise<void> => {
    const redis = world.redis.client();
    const cards = async (): Promise<string> => Object.values(await redis.hgetall('{uws:nodes}:cards')).join();
    await until(async () => (await cards()).includes('"joined":true'), { what: 'its card says so' });
  };

  // Seen red without the look at the cards: with the key gone it started, and keys went to other queues than before.
  it('must not start with another number of partitions, also when Redis lost the one that is in force (Q7)', async () => {
    const one = await world.node({ EVENT_QUEUE_PARTITIONS: '2' });
    await joined();
    await world.redis.client().del('uws:partitions');
    const refused = await world.node({ EVENT_QUEUE_PARTITIONS: '3', LEASE_TTL_MS: '3000' }).then(
      () => null,
      (error: unknown) => String(error),
    );
    expect(refused).to.match(/EVENT_QUEUE_PARTITIONS: this node has 3, and n1 has 2;/);
    expect(await one.readiness()).to.equal(200);
  });

  const refusal = (start: Promise<LocalNode>): Promise<string | null> =>
    start.then(
      () => null,
      (error: unknown) => String(error),
    );

  // Seen red without the ownership record: both started, and each worked on the events of the other.
  it('must not start with the queue of another installation, nor with another queue than the others have', async () => {
    const queue = await startRedis();
    try {
      const one = await world.node({ REDIS_QUEUE_URL: queue.url });
      await joined();
      const short = { LEASE_TTL_MS: '3000' };
      const [database, other, right] = await Promise.all([
        refusal(world.node({ ...short, REDIS_URL: `${world.redis.url}/1`, REDIS_QUEUE_URL: queue.url })),
        refusal(world.node(short)),
        refusal(world.node({ ...short, REDIS_QUEUE_URL: `${queue.url}/0` })),
      ]);
      expect(database).to.include(`the event queue at ${queue.url} is that of another installation`);
      expect(database).to.include(`(${world.redis.url}, prefix uws); this node is of ${world.redis.url}/1, prefix uws`);
      expect(other).to.match(/REDIS_QUEUE_URL: this node has \w+ at redis:.*, and n\d has \w+ at redis:/);
      expect(other).to.include(` at ${world.redis.url}, `).and.to.include(` at ${queue.url}`);
      expect(right, 'the same place, written in another way').to.equal(null);
      expect(await one.readiness()).to.equal(200);
    } finally {
      await world.endNodes();
      await queue.stop();
    }
  });

  // Seen red with one's own times for all: the newer connection was established after 4 s, beside one that could deliver.
  it('must wait for a peer with a longer lease as long as that lasts, or two connections deliver (C6, C9)', async () => {
    const proxy = await RedisProxy.start(world.redis.port);
    try {
      const near = await world.node({ LEASE_TTL_MS: '3000' });
      const far = await world.node({ LEASE_TTL_MS: '8000', REDIS_URL: proxy.url });
      const user = world.user();
      await world.connect(far, user);
      proxy.partition();
      // Its last renewal was sent a second and a command time-out before this at the earliest; its right lasts 7 s from there.
      const cutAt = performance.now();
      const newer = world.dial(near, { token: token(user) });
      await newer.established(20_000);
      expect(performance.now() - cutAt).to.be.within(6000, 15_000);
    } finally {
      proxy.heal();
      await world.endNodes();
      await proxy.stop();
    }
  });
});
