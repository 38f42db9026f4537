import { setTimeout as sleep } from 'node:timers/promises';
import { createRedis, parseRedisUrl, type RedisClient } from '@unified-ws/server/redis/connect';
import { slotOf } from '@unified-ws/server/redis/shardMap';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import type { LegacyClient, LegacyFrame } from '../../support/legacyClient.js';
import type { RedisServer } from '../../support/redis.js';
import { type RedisClusterTopology, startRedisCluster } from '../../support/topologies.js';
import { until } from '../../support/wait.js';
import { logOn, storedEvent } from '../support/events.js';
import { LegacyClients } from '../support/legacy.js';
import { gapsOf, mailNumbers, mailOn } from '../support/mail.js';
import { type LocalNode, World } from '../support/world.js';

/** Of the issue: two deliveries end within 2 s of the shard answering again. */
const BOUND_MS = 2000;
/** Longer than any test, and one connection a second all the same: with others it comes too late to find anything. */
const NO_SWEEP = '600000';
const BYSTANDERS = 40;
/** Where neither the leases nor the log nor the roll-out are, and the shard of the leases. */
const OWN = 0;
const LEASES = 2;

const last = (n: number) => (frame: { data: Record<string, unknown> }) => frame.data.n === n;

describe('a shard of a Redis Cluster that broke', function () {
  this.timeout(40_000);
  let cluster: RedisClusterTopology;
  let world: World;
  let client: RedisClient;
  let one: LocalNode;
  let two: LocalNode;
  let publishing: Promise<void> | null = null;
  let publishes = true;
  const legacyClients = new LegacyClients();

  async function start(replicas: boolean): Promise<void> {
    cluster = await startRedisCluster({ replicas, args: ['--cluster-require-full-coverage', 'no'] });
    world = new World();
    client = createRedis(parseRedisUrl(cluster.url), 'command', { commandTimeoutMs: 5000, name: 'test' });
    // A shard that the test took away is no news.
    client.on('error', () => undefined);
    await client.connect();
    const often = { HEARTBEAT_INTERVAL_MS: '500', LEGACY_ENDPOINTS: 'true' };
    const env = { REDIS_URL: cluster.url, SWEEP_INTERVAL_MS: NO_SWEEP, ...often };
    one = await world.node(env);
    two = await world.node(env);
    const options = { keep: false };
    await Promise.all(Array.from({ length: BYSTANDERS }, () => world.connect(one, world.user(), ['user'], options)));
  }

  async function stop(): Promise<void> {
    legacyClients.end();
    await world.stop();
    client.disconnect();
    await cluster.stop();
  }

  async function endPublishing(): Promise<void> {
    publishes = false;
    await publishing?.finally(() => {
      publishing = null;
    });
    publishes = true;
  }

  /** A user whose entry is on that shard. */
  function userOn(shard: number): string {
    for (;;) {
      const user = world.user();
      if (cluster.shardOf(`uws:{u:${user}}:conn`) === shard) return user;
    }
  }

  const master = (shard: number): RedisServer => cluster.servers[shard] as RedisServer;
  const replica = (shard: number): RedisServer => cluster.servers[shard + 3] as RedisServer;

  /** Events for everybody, one after the other, until the test is over. */
  function publish(type = 'custom_event'): void {
    const log = logOn(client);
    publishing = (async () => {
      for (let n = 0; publishes; n += 1) {
        const event = storedEvent({ n }, { type });
        // The client of the test meets the fault too; what was appended already is not appended again.
        const append = (): Promise<boolean> => log.append([event]).then(Boolean, () => false);
        await until(append, { what: 'an event is appended', timeoutMs: 10_000 });
        await sleep(10);
      }
    })();
  }

  /** How long both received the same events: from the newer one's connection_established to the older one's last event, ms. */
  async function bothReceived(older: TestClient, newer: TestClient): Promise<number> {
    expect((await older.closed(20_000)).code).to.equal(4001);
    const received = newer.events.length;
    await until(() => newer.events.length > received, { what: 'the newer one goes on' });
    return (older.events.at(-1)?.at ?? 0) - newer.establishedAt;
  }

  async function metric(node: LocalNode, name: string): Promise<number> {
    const metrics = await (await fetch(`${node.http}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)`, 'm').exec(metrics)?.[1]);
  }

  const fenced = (node: LocalNode): Promise<number> => metric(node, 'uws_fenced_total');

  describe('while it keeps its master', () => {
    before(() => start(false));
    afterEach(endPublishing);
    after(stop);

    // Seen red without Shards.prove in the pulse of recovery: until the sweep.
    it('and was emptied must not leave two that are delivered to until the sweep', async () => {
      publish();
      const user = userOn(OWN);
      const older = await world.connect(one, user);
      await older.waitFor('custom_event');
      await master(OWN).client().flushall();
      const newer = await world.connect(two, user);
      expect(await bothReceived(older, newer)).to.be.lessThan(BOUND_MS);
      // By their ids: when an event is read here says nothing about when it was written.
      const ids = new Set(newer.events.map(({ id }) => id));
      const twice = older.events.filter(({ id }) => ids.has(id)).length;
      // Of what was appended between the newer one's claim and its connection_established, the older one may have got its copy first.
      expect(await metric(one, 'uws_duplicates_found_total')).to.be.within(twice - 2, older.events.length);
    });

    it('whose links were cut when it was empty must not leave two either', async () => {
      publish();
      const user = userOn(OWN);
      const older = await world.connect(one, user);
      await older.waitFor('custom_event');
      const redis = master(OWN).client();
      await redis.flushall();
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal');
      const newer = await until(() => world.connect(two, user).catch(() => null), { what: 'the newer one connects' });
      expect(await bothReceived(older, newer)).to.be.lessThan(BOUND_MS);
    });

    it('of the log must be announced, and what comes then be delivered', async () => {
      const someone = await world.connect(one, userOn(OWN));
      const log = logOn(client);
      await log.append([storedEvent({ n: 0 })]);
      await someone.waitFor('custom_event', last(0));
      await master(cluster.shardOf('uws:{log}:meta')).client().flushall();
      await someone.waitFor('gap', ({ data }) => data.scope === 'broadcast' && data.reason === 'log_reset');
      await log.append([storedEvent({ n: 1 })]);
      await someone.waitFor('custom_event', last(1));
    });

    it('with a mailbox must be announced to its user, and what comes then be delivered', async () => {
      const user = userOn(OWN);
      const someone = await world.connect(one, user);
      const mail = mailOn(client);
      await mail.append(user, [storedEvent({ n: 0 })]);
      await someone.waitFor('custom_event', last(0));
      await master(OWN).client().flushall();
      await until(() => gapsOf(someone).some(({ scope, reason }) => scope === 'user' && reason === 'log_reset'), {
        what: 'it is announced',
      });
      await mail.append(user, [storedEvent({ n: 1 })]);
      await someone.waitFor('custom_event', last(1));
      expect(mailNumbers(someone)).to.deep.equal([0, 1]);
    });

    it('under the subscriber must be known, or what was missed waits for the sweep', async () => {
      const user = userOn(OWN);
      const someone = await world.connect(one, user);
      const cut = cluster.servers.map((server) => server.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub'));
      await Promise.all(cut);
      await mailOn(client, { bus: 'lost' }).append(user, [storedEvent({ n: 0 })]);
      await someone.waitFor('custom_event', last(0), 5000);
    });

    it('is not one whose slots moved', async () => {
      const before = [await fenced(one), await fenced(two)];
      const someone = await world.connect(one, userOn(OWN));
      // Those with this shard's marks among them.
      const marks = await master(OWN).client().keys('uws:*:mark:*');
      expect(marks.length).to.be.greaterThan(1);
      await moveSlots(master(OWN), master(1), [...new Set(marks.map(slotOf))]);
      await until(async () => (await master(OWN).client().keys('uws:*:mark:*')).length === marks.length, {
        what: 'marks of the slots that are left',
      });
      await logOn(client).append([storedEvent({ n: 1 })]);
      await someone.waitFor('custom_event', last(1));
      expect([await fenced(one), await fenced(two)]).to.deep.equal(before);
    });
  });

  describe('when its master is gone', () => {
    beforeEach(() => start(true));
    afterEach(endPublishing);
    afterEach(stop);

    it('and failed over to a replica that lacks the claim must not leave two', async () => {
      publish();
      const user = userOn(OWN);
      // The replica hears nothing from here on.
      replica(OWN).pause();
      const older = await world.connect(one, user);
      await older.waitFor('custom_event');
      await master(OWN).kill9();
      replica(OWN).resume();
      await until(async () => String(await replica(OWN).client().call('CLUSTER', 'FAILOVER', 'TAKEOVER')) === 'OK', {
        what: 'the replica is the master',
      });
      const newer = await until(() => world.connect(two, user).catch(() => null), {
        what: 'the newer one connects',
        timeoutMs: 10_000,
      });
      expect(await bothReceived(older, newer)).to.be.lessThan(BOUND_MS);
    });

    it('and failed over while all links stood must not leave two', async () => {
      publish();
      const user = userOn(OWN);
      const older = await world.connect(one, user);
      await older.waitFor('custom_event');
      const next = replica(OWN).client();
      // Lost by the fail-over: the marks alone would not tell.
      await master(OWN).client().del(`uws:{u:${user}}:conn`);
      await until(async () => String(await next.call('CLUSTER', 'FAILOVER', 'TAKEOVER')) === 'OK', {
        what: 'the replica is the master',
      });
      const former = master(OWN).client();
      await until(async () => /role:slave/.test(await former.info('replication')), { what: 'the master gave way' });
      const newer = await until(() => world.connect(two, user).catch(() => null), { what: 'the newer one connects' });
      expect(await bothReceived(older, newer)).to.be.lessThan(BOUND_MS);
    });

    it('must not stop the users of the others, and its own go on where they were when it is back', async () => {
      publish();
      const [away, stays] = [await world.connect(one, userOn(OWN)), await world.connect(one, userOn(LEASES))];
      await away.waitFor('custom_event');
      await replica(OWN).kill9();
      await master(OWN).kill9();
      await until(() => away.events.length > 0 && systemClock.mono() - (away.events.at(-1)?.at ?? 0) > 500, {
        what: 'nobody can prove that it is current, so it is not delivered to',
        timeoutMs: 10_000,
      });
      // An interruption of another kind meanwhile.
      for (const server of [1, LEASES]) await master(server).client().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      const before = stays.events.length;
      await until(() => stays.events.length > before + 100, { what: 'the other one goes on', timeoutMs: 15_000 });
      const ready = await fetch(`${one.http}/readyz`);
      expect(ready.status).to.equal(200);
      expect(((await ready.json()) as { notices: string[] }).notices.join()).to.include(
        `${master(OWN).port} does not answer`,
      );
      await master(OWN).restart();
      const now = stays.events.at(-1)?.data.n;
      await away.waitFor('custom_event', (frame) => Number(frame.data.n) > Number(now), 15_000);
      const numbers = away.events.map(({ data }) => Number(data.n));
      const first = numbers[0] ?? 0;
      expect(numbers, 'without a hole').to.deep.equal(numbers.map((_, index) => first + index));
      expect(away.ending).to.equal(null);
    });

    // Seen red without the suspension in LegacyReview.review: the old connection of its user was delivered to all the time.
    it('must not deliver to the old connections of its users either, and they go on where they were when it is back', async () => {
      publish('system_status');
      const [away, stays] = [
        await legacyClients.connect(one, 'health', userOn(OWN)),
        await legacyClients.connect(one, 'health', userOn(LEASES)),
      ];
      const eventsOf = ({ frames }: LegacyClient): LegacyFrame[] =>
        frames.filter(({ type }) => type === 'system_status');
      await away.waitFor('system_status');
      await replica(OWN).kill9();
      await master(OWN).kill9();
      const isLeftOut = async (): Promise<boolean> => {
        const [had, before] = [eventsOf(away).length, eventsOf(stays).length];
        await until(() => eventsOf(stays).length > before + 50, { what: 'the other one goes on', timeoutMs: 15_000 });
        return eventsOf(away).length === had;
      };
      await until(isLeftOut, {
        what: 'nobody can prove that its user may still see them, so it is not delivered to',
        timeoutMs: 15_000,
      });
      await master(OWN).restart();
      const now = Number(eventsOf(stays).at(-1)?.data?.n);
      await away.waitFor('system_status', ({ data }) => Number(data?.n) > now);
      const numbers = eventsOf(away).map(({ data }) => Number(data?.n));
      const first = numbers[0] ?? 0;
      expect(numbers, 'without a hole').to.deep.equal(numbers.map((_, index) => first + index));
      expect(away.ending).to.equal(null);
    });
  });
});

/** As redis-cli does it, with the keys. */
async function moveSlots(from: RedisServer, to: RedisServer, slots: readonly number[]): Promise<void> {
  const [source, target] = [from.client(), to.client()];
  const [sourceId, targetId] = [await source.call('CLUSTER', 'MYID'), await target.call('CLUSTER', 'MYID')].map(String);
  for (const slot of slots) {
    await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', sourceId as string);
    await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', targetId as string);
    const keys = (await source.call('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[];
    if (keys.length > 0) await source.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5000, 'KEYS', ...keys);
    for (const node of [target, source]) await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', targetId as string);
  }
}
