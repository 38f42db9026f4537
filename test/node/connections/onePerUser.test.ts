import { Keys } from '@unified-ws/server/redis/keys';
import { RegistryStore } from '@unified-ws/server/registry/store/registryStore';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { RedisProxy } from '../../support/redisProxy.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type LocalNode, World } from '../support/world.js';

describe('one connection per user', function () {
  this.timeout(10_000);
  const world = new World();
  let node: LocalNode;
  let other: LocalNode;
  let redis: Redis;

  before(async () => {
    await world.start();
    redis = world.redis.client();
    const env = { LEASE_TTL_MS: '3000', REPLACE_TIMEOUT_MS: '4000' };
    [node, other] = await Promise.all([world.node({ NODE_ID: 'one', ...env }), world.node({ NODE_ID: 'two', ...env })]);
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  /** The registry names this connection and no other. */
  async function expectOwner(user: string, establishedData: { connection_id: string; fence: number }): Promise<void> {
    const entry = await world.entry(redis, user);
    expect(entry).to.include({ conn: establishedData.connection_id, fence: String(establishedData.fence) });
    expect(entry).to.not.have.property('displaced');
  }

  it('a second login must end the first, on the same node and on another, with a code that forbids to come back', async () => {
    for (const second of [node, other]) {
      const user = world.user();
      const old = await world.connect(node, user);
      const newer = await world.connect(second, user);
      expect(await old.closed()).to.include({ code: 4001, reason: 'superseded by a newer connection' });
      expect(newer.establishedData?.fence).to.be.greaterThan(old.establishedData?.fence ?? 0);
      if (newer.establishedData) await expectOwner(user, newer.establishedData);
      expect(old.tap.afterClose).to.equal(0);
    }
  });

  it('the cleanup of the first must not end the second, as the predecessor did (F1)', async () => {
    const user = world.user();
    const bystander = await world.connect(node);
    const old = await world.connect(node, user);
    const newer = await world.connect(node, user);
    await old.closed();
    await old.close();
    expect((await newer.request('ping')).type).to.equal('pong');
    expect((await bystander.request('ping')).type).to.equal('pong');
    if (newer.establishedData) await expectOwner(user, newer.establishedData);
  });

  it('ten logins at once must leave one, the one that the registry names', async () => {
    const user = world.user();
    const clients = Array.from({ length: 10 }, (_, n) => {
      return world.dial(n % 2 === 0 ? node : other, { token: token(user) });
    });
    const open = await until(
      () => {
        const left = clients.filter((client) => client.ending === null);
        return left.length === 1 && left[0]?.establishedData && left[0];
      },
      { what: () => JSON.stringify(clients.map((client) => client.ending)) },
    );
    for (const client of clients) {
      if (client !== open) expect(client.ending?.code, JSON.stringify(client.ending)).to.be.oneOf([4001, 4207]);
      expect(client.tap.afterClose).to.equal(0);
    }
    if (open.establishedData) await expectOwner(user, open.establishedData);
  });

  it('user ids that differ only by what keys must escape are different users', async () => {
    const ids = ['a b', 'a%20b', 'a}b', 'a:conn', 'ä', 'A', 'a', '__proto__', 'constructor', '*', 'x'.repeat(128)];
    const clients = await Promise.all(ids.map((id) => world.connect(node, id)));
    for (const [index, client] of clients.entries()) {
      expect(client.isOpen, ids[index]).to.equal(true);
      const status = await client.ask('get_connection_status', {}, 'connection_status');
      expect(status.user_id).to.equal(ids[index]);
    }
  });

  it("a device's older attempt that arrives late must not end its newer one (C5)", async () => {
    const user = world.user();
    const newer = await world.connect(node, user, ['user'], { client: 'device-one.2' });
    const late = world.dial(other, { token: token(user), client: 'device-one.1' });
    expect(await late.closed()).to.include({ code: 4206 });
    expect((await newer.request('ping')).type).to.equal('pong');
    const newest = await world.connect(other, user, ['user'], { client: 'device-one.3' });
    expect(await newer.closed(), 'its own later attempt, nobody else').to.include({ code: 4206 });
    if (newest.establishedData) await expectOwner(user, newest.establishedData);
    const foreign = await world.connect(other, user, ['user'], { client: 'device-two.1' });
    expect(await newest.closed()).to.include({ code: 4001 });
    if (foreign.establishedData) await expectOwner(user, foreign.establishedData);
  });

  /** An owner on a node that does not answer: nobody beats for its lease, and nobody has called it dead yet. */
  async function silentOwner(user: string, client: string): Promise<void> {
    const entry = { conn: 'silent', lease: `gone.${user}`, fence: '1', client, attempt: '1' };
    await redis.hset(`uws:{u:${user}}:conn`, entry);
  }

  it('a device must not wait for its own earlier attempt on a dead node; another must, until the lease is over (C5, C6)', async () => {
    const [own, foreign] = [world.user(), world.user()];
    await Promise.all([silentOwner(own, 'device-one'), silentOwner(foreign, 'device-one')]);
    const startedAt = systemClock.mono();
    const [quick, slow] = [
      world.dial(node, { token: token(own), client: 'device-one.2' }),
      world.dial(node, { token: token(foreign), client: 'device-two.1' }),
    ];
    await quick.established();
    expect(quick.establishedAt - startedAt).to.be.lessThan(1000);
    await slow.established();
    expect(slow.establishedAt - startedAt).to.be.within(3500, 5500);
    if (slow.establishedData) await expectOwner(foreign, slow.establishedData);
    await until(async () => !('displaced' in (await world.entry(redis, own))), { what: 'the own attempt is settled' });
  });

  it('a third login must wait for the first too, whom the second replaced and never settled (C2)', async () => {
    const user = world.user();
    await silentOwner(user, '');
    const second = world.dial(node, { token: token(user) });
    await until(async () => (await world.entry(redis, user)).displaced, { what: 'the second has claimed' });
    const startedAt = systemClock.mono();
    const third = world.dial(other, { token: token(user) });
    expect(await second.closed()).to.include({ code: 4001 });
    expect(second.establishedData).to.equal(null);
    await third.established();
    expect(third.establishedAt - startedAt).to.be.within(3000, 5500);
    if (third.establishedData) await expectOwner(user, third.establishedData);
  });

  it('an order against a login that still waits must end it for good, and not with a code that brings it back (C15)', async () => {
    const user = world.user();
    await silentOwner(user, 'device-one');
    const client = world.dial(node, { token: token(user), client: 'device-two.1' });
    const {
      conn = '',
      fence = '',
      lease = '',
    } = await until(
      async () => {
        const entry = await world.entry(redis, user);
        return entry.displaced !== undefined && entry;
      },
      { what: 'the claim' },
    );
    const store = new RegistryStore({ redis, keys: new Keys('uws'), policy: 'replace' });
    expect(await store.kick(user, { conn, fence, lease }, 4002, 'go')).to.equal(null);
    expect(await client.closed()).to.include({ code: 4002 });
    expect(client.establishedData).to.equal(null);
  });

  it('policy reject must refuse the second device and let the first one come back', async () => {
    const strict = await world.node({ NODE_ID: 'strict', CONNECTION_POLICY: 'reject' });
    const user = world.user();
    const first = await world.connect(strict, user, ['user'], { client: 'device-one.1' });
    const second = world.dial(strict, { token: token(user), client: 'device-two.1' });
    expect(await second.closed()).to.include({ code: 4010 });
    expect(second.frames.map((frame) => frame.data.error_code)).to.deep.equal(['CONNECTION_LIMIT']);
    expect((await first.request('ping')).type).to.equal('pong');
    const again = await world.connect(strict, user, ['user'], { client: 'device-one.2' });
    expect(await first.closed()).to.include({ code: 4206 });
    await again.close();
    await until(async () => (await world.entry(redis, user)).conn === '', { what: 'the entry is released' });
    await world.connect(strict, user, ['user'], { client: 'device-two.2' });
  });

  it('a ban must end the connection wherever it is, and refuse the user until it is over (C7)', async () => {
    const user = world.user();
    const admin = await world.admin(other);
    const victim = await world.connect(node, user);
    const done = await admin.ask(
      'disconnect_user',
      { user_id: user, ban_seconds: 1, reason: 'spam' },
      'user_disconnected',
    );
    expect(done).to.include({ result: 'closed', node_id: 'one' });
    const bannedAt = systemClock.mono();
    expect(await victim.closed()).to.include({ code: 4003, reason: 'spam' });
    const refused = world.dial(other, { token: token(user) });
    expect(await refused.closed()).to.include({ code: 4003 });
    expect(refused.frames.map((frame) => frame.data.error_code)).to.deep.equal(['TOKEN_REVOKED']);
    const back = await until(
      async () => {
        const client = world.dial(node, { token: token(user) });
        await Promise.race([client.ended, client.established()]);
        return client.establishedData && client;
      },
      { what: 'the ban is over', everyMs: 100 },
    );
    expect(back.establishedAt - bannedAt).to.be.within(800, 3000);
  });

  it('a ban of somebody who is away must hold when he comes', async () => {
    const user = world.user();
    const admin = await world.admin(node);
    const done = await admin.ask('disconnect_user', { user_id: user, ban_seconds: 60 }, 'user_disconnected');
    expect(done).to.include({ result: 'not_connected', node_id: null });
    expect((await world.dial(node, { token: token(user) }).closed()).code).to.equal(4003);
    expect((await world.dial(other, { token: token(user), client: 'device-one.9' }).closed()).code).to.equal(4003);
  });

  it('a tombstone must not read as a connection, nor refuse a new one', async () => {
    const user = world.user();
    const fence = Date.now() + 60_000;
    await redis.hset(`uws:{u:${user}}:conn`, { conn: '', lease: '', fence: String(fence), code: '4002', reason: 'x' });
    const client = await world.connect(node, user);
    expect(client.establishedData?.fence, 'fences never go back (C4)').to.equal(fence + 1);
    if (client.establishedData) await expectOwner(user, client.establishedData);
  });
});

describe('one connection per user, when Redis answers late', function () {
  this.timeout(15_000);
  const world = new World();
  let redis: Redis;
  let proxy: RedisProxy;
  let near: LocalNode;
  let far: LocalNode;

  before(async () => {
    await world.start();
    redis = world.redis.client();
    proxy = await RedisProxy.start(world.redis.port);
    near = await world.node({ NODE_ID: 'near', SWEEP_INTERVAL_MS: '1000' });
    far = await world.node({ NODE_ID: 'far', REDIS_URL: proxy.url, SWEEP_INTERVAL_MS: '1000' });
    // Redis knows the scripts from now on: else the answer that is held is that it does not.
    await world.connect(far);
  });
  afterEach(async () => {
    for (const link of proxy.links) link.release();
    await world.endClients();
    await until(async () => (await far.readiness()) === 200, { timeoutMs: 8000, what: 'the far node serves again' });
  });
  after(async () => {
    await world.stop();
    await proxy.stop();
  });

  /** How often the far node has renewed its lease: its clock, as far as others can see it. */
  const beats = async (): Promise<number> => {
    const all = Object.entries(await redis.hgetall('uws:nodes'));
    return Math.max(...all.filter(([lease]) => lease.startsWith('far.')).map(([, beat]) => Number.parseInt(beat, 10)));
  };
  /** The far node counts the user among its own no more. */
  const delisted = async (user: string): Promise<boolean> => {
    const leases = (await redis.hkeys('uws:nodes')).filter((lease) => lease.startsWith('far.'));
    const sets = await Promise.all(leases.map((lease) => redis.smembers(`uws:{n:${lease}}:users`)));
    return !sets.flat().includes(user);
  };
  const claimed = (user: string): Promise<unknown> =>
    until(async () => (await world.entry(redis, user)).conn, { what: 'the claim has run' });

  it('an evict that overtakes the reply of a claim must doom it, or two connections live (C1)', async () => {
    const user = world.user();
    for (const link of proxy.commands) link.hold('down');
    const early = world.dial(far, { token: token(user) });
    await claimed(user);
    const startedAt = systemClock.mono();
    const newer = await world.connect(near, user);
    expect(newer.establishedAt - startedAt, 'the acknowledgement waited for the reply').to.be.lessThan(500);
    expect(await early.closed()).to.include({ code: 4001 });
    for (const link of proxy.commands) link.release();
    expect(early.establishedData).to.equal(null);
    // The late reply leads to a release, which must find another's entry and leave it (I3).
    await until(() => delisted(user), { what: 'the far node has released' });
    const status = await newer.ask('get_connection_status', {}, 'connection_status');
    expect((await world.entry(redis, user)).conn).to.equal(status.connection_id);
  });

  it('a claim whose answer never comes must end the socket, and leave no owner behind (C8)', async () => {
    const user = world.user();
    for (const link of proxy.commands) link.hold('down');
    const client = world.dial(far, { token: token(user) });
    await claimed(user);
    // Which of the two comes first, the claim's time-out or the end of the lease, is chance: both bring the client back.
    expect((await client.closed()).code).to.be.oneOf([4205, 4207]);
    expect(client.frames.map((frame) => frame.data.error_code)).to.deep.equal(['UNAVAILABLE']);
    for (const link of proxy.commands) link.release();
    await until(async () => (await world.entry(redis, user)).conn === '', { what: 'the ghost is released' });
    await world.connect(near, user);
  });

  it('a claim that runs after its own release must not leave a ghost (C8)', async () => {
    const user = world.user();
    const late = proxy.commands;
    for (const link of late) link.hold('up');
    const client = world.dial(far, { token: token(user) });
    // Which of the two comes first, the claim's time-out or the end of the lease, is chance: both bring the client back.
    expect((await client.closed()).code).to.be.oneOf([4205, 4207]);
    expect(await world.entry(redis, user)).to.deep.equal({});
    // The node gives these connections up, and releases by new ones; then what they carried arrives.
    for (const link of late) link.cut();
    await until(async () => (await far.readiness()) === 200, { timeoutMs: 8000, what: 'the node serves again' });
    const again = await beats();
    await until(async () => (await beats()) >= again + 3, { what: 'every retry and a sweep are over' });
    for (const link of late) link.release();
    await claimed(user);
    await until(async () => (await world.entry(redis, user)).conn === '', { what: 'the ghost is released' });
    for (const link of late) link.destroy();
  });
});
