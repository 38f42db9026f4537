import { Keys } from '@unified-ws/server/redis/keys';
import { RegistryStore } from '@unified-ws/server/registry/store/registryStore';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { LegacyClient } from '../../support/legacyClient.js';
import { RedisProxy } from '../../support/redisProxy.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type Answer, call } from '../../unit/server/http/support.js';
import { LegacyClients, publish } from '../support/legacy.js';
import { type LocalNode, World } from '../support/world.js';

// Seen red: without LegacyConnection.wireCode (codes), with LegacyConnection.send telling what an old client does not know (stops), and
// where a test says so.
describe('orders of admins and legacy connections', function () {
  this.timeout(20_000);
  const world = new World();
  const clients = new LegacyClients();
  const keys = new Keys('uws');
  let redis: Redis;
  /** Gives the orders, and has no legacy endpoints itself: it need not know who has. */
  let one: LocalNode;
  let two: LocalNode;
  let three: LocalNode;
  /** The sweep looks at one connection a second, no more. */
  const ON = { LEGACY_ENDPOINTS: 'true', SWEEP_INTERVAL_MS: '600000', TOKEN_GRACE_MS: '100' };

  before(async () => {
    await world.start();
    redis = world.redis.client();
    [one, two, three] = await Promise.all([
      world.node({ NODE_ID: 'one', TOKEN_GRACE_MS: '100' }),
      world.node({ ...ON, NODE_ID: 'two' }),
      world.node({ ...ON, NODE_ID: 'three' }),
    ]);
  });
  afterEach(async () => {
    clients.end();
    await world.endClients();
  });
  after(() => world.stop());

  const nowS = (): number => Math.floor(Date.now() / 1000);
  const order = (path: string, json: object = {}): Promise<Answer> => call(one, path, { json, token: adminToken() });
  const dial = (user: string, node = two, claims = {}): LegacyClient =>
    clients.dial(node, 'health', { token: token(user, { claims: { iat: nowS() - 10, ...claims } }) });

  /** Resolves with the answer and the code; fails when it took longer than a second. */
  async function closedWithin(client: LegacyClient, ordered: Promise<Answer>): Promise<[Answer, number, string]> {
    const startedAt = performance.now();
    const { code, reason } = await client.closed();
    expect(performance.now() - startedAt).to.be.lessThan(1000);
    return [await ordered, code, reason];
  }

  // Seen red: without `legacy.end` in Disconnects, and without `legacy.review` in Reviews.
  const ORDERS: Readonly<Record<string, (user: string) => Promise<Answer>>> = {
    disconnect: (user) => order(`disconnect/${user}`, { reason: 'go' }),
    ban: (user) => order(`disconnect/${user}`, { reason: 'go', ban_seconds: 60 }),
    revoke: (user) => order(`users/${user}/revoke`),
    'revoke before': (user) => order(`users/${user}/revoke`, { before: new Date().toISOString() }),
    'revoke session': (user) => order(`users/${user}/revoke`, { session: 'phone' }),
  };
  for (const [name, give] of Object.entries(ORDERS)) {
    it(`${name}: must end a legacy connection of another node, and not be answered not_connected`, async () => {
      const user = world.user();
      const client = dial(user, two, { sid: 'phone' });
      await client.established();
      const [{ status, body }, code, reason] = await closedWithin(client, give(user));
      expect(status).to.equal(200);
      expect(body).to.include({ result: 'closed', node_id: 'two' });
      expect(code).to.equal(1008);
      if (name === 'disconnect' || name === 'ban') {
        expect(reason).to.equal('go');
        expect(body.legacy_closed).to.equal(1);
      }
      if (name !== 'disconnect') {
        const again = dial(user, three, { sid: 'phone' });
        expect(await again.closed()).to.include({ code: 1008 });
        expect(again.types).to.deep.equal(['error']);
        expect(again.frames[0]?.data).to.include({ error_code: 'TOKEN_REVOKED' });
      }
    });
  }

  it('an order must reach all of a user, on every node, and say how many there were', async () => {
    const user = world.user();
    const unified = await world.connect(three, user);
    const legacy = await Promise.all([
      clients.connect(two, 'health', user),
      clients.connect(two, 'security', user),
      clients.connect(three, 'dns_management', user),
    ]);
    const admin = await world.admin(one);
    const { data } = await admin.request('disconnect_user', { user_id: user });
    expect(data).to.include({ result: 'closed', node_id: 'three', legacy_closed: 3 });
    for (const client of legacy) expect((await client.closed()).code).to.equal(1008);
    expect((await unified.closed()).code).to.equal(4002);
    const { body } = await order(`disconnect/${user}`);
    expect(body).to.include({ result: 'not_connected', node_id: null }).and.not.have.property('legacy_closed');
  });

  // Seen red: with the `amend` of LegacyReview.review taken out, and without the end in LegacyAuthority.reevaluate.
  it('a role that was withdrawn must narrow what is received at once, and close the admin endpoint (G8)', async () => {
    const user = world.user();
    const issued = token(user, { roles: ['admin'], claims: { iat: nowS() - 10 } });
    const system = clients.dial(two, 'system', { token: issued });
    const security = clients.dial(three, 'security', { token: issued });
    const admin = clients.dial(two, 'admin', { token: issued });
    expect(await system.established()).to.include('user_login');
    await Promise.all([security.established(), admin.established()]);
    const startedAt = performance.now();
    const ordered = order(`users/${user}/permissions-changed`, { roles: ['user'] });
    expect((await admin.closed()).code).to.equal(1008);
    expect(admin.frames.at(-1)?.data).to.include({ error_code: 'PERMISSION_DENIED' });
    const reported = await system.waitFor('subscription_updated');
    expect(performance.now() - startedAt).to.be.lessThan(1000);
    expect(reported.data?.subscribed_events).to.have.members(['bind_reload', 'config_change', 'system_status']);
    expect((await ordered).body).to.include({ result: 'applied' });
    await publish(one, { event_type: 'security_alert', data: { title: 'T', source_ip: '10.0.0.1' } });
    expect((await security.waitFor('security_alert')).data).to.deep.equal({ title: 'T' });
  });

  it('a token that ends must end its connection, with a code that lets the client come back with another', async () => {
    const ending = dial(world.user(), two, { iat: nowS() - 60, exp: nowS() - 3 });
    const user = world.user();
    const renewed = dial(user);
    await Promise.all([ending.established(), renewed.established()]);
    await order(`users/${user}/permissions-changed`);
    // By its wheel, or, where the grace is over before the order comes to it, by the review.
    expect(await renewed.closed()).to.include({ code: 1013 });
    expect(await ending.closed()).to.include({ code: 1013, reason: 'token expired' });
    // Nothing that an old client does not know came before.
    expect(ending.types).to.deep.equal(['connection_established', 'deprecation']);
  });

  // Seen red: without the command of Replacements; and the second, without `keep` in LegacyReview.review, with SETTLED_MS = 0, and
  // without LegacyHost's forget.
  it('the newest of a user and group must replace the one on another node', async () => {
    const user = world.user();
    const former = await clients.connect(two, 'health', user);
    const startedAt = performance.now();
    const newer = await clients.connect(three, 'health', user);
    expect(await former.closed()).to.include({ code: 1000, reason: 'Replaced by new connection' });
    expect(performance.now() - startedAt).to.be.lessThan(1000);
    expect(newer.isOpen).to.equal(true);
    // By the message, and not by the sweep, which looks at one connection a second at least.
    const metrics = await (await fetch(`${two.http}/metrics`)).text();
    expect(metrics).to.match(/^uws_legacy_replaced_total 1$/m);
  });

  const noteOf = async (user: string, group: string): Promise<[conn: string, note: Record<string, unknown>] | null> => {
    const notes = await redis.hgetall(keys.noted(user));
    const parsed = Object.entries(notes).map(([conn, note]) => [conn, JSON.parse(note)] as const);
    const found = parsed.find(([, { g }]) => g === group);
    return found ? [found[0], found[1]] : null;
  };

  it('a replacement whose message was lost must be made good, and so must a note', async () => {
    const sweeping = await world.node({ ...ON, NODE_ID: 'sweeping', SWEEP_INTERVAL_MS: '1000' });
    const user = world.user();
    const former = await clients.connect(sweeping, 'health', user);
    const kept = await clients.connect(sweeping, 'security', user);
    const [conn, note] = (await noteOf(user, 'health')) ?? [];
    // One that came a moment later, and has been there for long.
    const since = Date.now() - 20_000;
    await redis.hset(keys.noted(user), String(conn), JSON.stringify({ ...note, t: since - 1 }));
    await redis.hset(keys.noted(user), 'another', JSON.stringify({ ...note, t: since }));
    await redis.hdel(keys.noted(user), String((await noteOf(user, 'security'))?.[0]));
    expect(await former.closed()).to.include({ code: 1000 });
    await until(() => noteOf(user, 'security'), { what: 'the note is back' });
    // One that is being made just now may come to nothing.
    const young = { ...note, g: 'security', t: Date.now() + 1000 };
    await redis.hset(keys.noted(user), 'young', JSON.stringify(young));
    await redis.expire(keys.noted(user), 100);
    await until(async () => (await redis.ttl(keys.noted(user))) > 100, { what: 'the sweep has come round' });
    expect(kept.isOpen).to.equal(true);
    await redis.hdel(keys.noted(user), 'young');
    kept.terminate();
    await until(async () => (await noteOf(user, 'security')) === null, { what: 'it is taken back' });
  });

  // Seen red: with one note a group, that of a connection that came to nothing in the place of the one that lives.
  it('a connection that comes to nothing must not hide the one that lives from orders, nor end it', async () => {
    const user = world.user();
    const live = dial(user);
    await live.established();
    await order(`users/${user}/revoke`, { session: 'lost' });
    const refused = dial(user, three, { sid: 'lost' });
    expect((await refused.closed()).code).to.equal(1008);
    expect(live.isOpen).to.equal(true);
    const { body } = await order(`disconnect/${user}`);
    expect(body).to.include({ result: 'closed', node_id: 'two', legacy_closed: 1 });
    expect((await live.closed()).code).to.equal(1008);
  });

  // Seen red: without `forget` in Replacements.
  it('what a node left behind must be cleared away by the next connection', async () => {
    const user = world.user();
    const note = { g: 'health', t: Date.now(), n: 0, code: 0 };
    const { lease } = await statsOf(two);
    await redis.hset(keys.noted(user), 'gone', JSON.stringify({ ...note, l: lease }));
    await clients.connect(three, 'health', user);
    await until(async () => (await redis.hkeys(keys.noted(user))).join() !== 'gone', { what: 'it is noted' });
    await until(async () => (await redis.hexists(keys.noted(user), 'gone')) === 0, { what: 'the old note is gone' });
  });

  async function statsOf(node: LocalNode): Promise<{ readonly lease: string }> {
    const { body } = await call(node, 'stats', { token: adminToken() });
    return body.nodes.find(({ node_id }: { node_id: string }) => node_id === body.node_id);
  }

  // Seen red: without `unregistered.reconcile` in the reconcile of Recovery, and without the tombstone of LegacyOrders.end.
  it('a node that was cut off must obey what was ordered meanwhile, before it delivers anything (C12)', async () => {
    const proxy = await RedisProxy.start(world.redis.port);
    const far = await world.node({ ...ON, NODE_ID: 'far', REDIS_URL: proxy.url });
    try {
      const [revoked, ended, demoted] = [world.user(), world.user(), world.user()];
      const of = (user: string, roles: string[]): LegacyClient =>
        clients.dial(far, 'system', { token: token(user, { roles, claims: { iat: nowS() - 10 } }) });
      const all = [of(revoked, ['user']), of(ended, ['user']), of(demoted, ['admin'])] as const;
      await Promise.all(all.map((client) => client.established()));
      for (const client of all) await client.waitFor('deprecation');
      proxy.partition();
      // What is on its way is lost, the messages of the orders too.
      for (const link of [...proxy.links]) link.destroy();
      const answers = await Promise.all([
        order(`users/${revoked}/revoke`),
        order(`disconnect/${ended}`),
        order(`users/${demoted}/permissions-changed`, { roles: ['user'] }),
      ]);
      for (const { body } of answers) expect(body).to.include({ result: 'node_unreachable', node_id: 'far' });
      await publish(one, { event_type: 'system_status', data: { n: 1 } });
      await publish(one, { event_type: 'user_login', data: { n: 2 } });
      await publish(one, { event_type: 'system_status', data: { n: 3 } });
      await until(async () => (await far.readiness()) !== 200, {
        what: 'it has lost the right to deliver',
        timeoutMs: 10_000,
      });
      proxy.heal();
      expect((await all[0].closed()).code).to.equal(1008);
      expect((await all[1].closed()).code).to.equal(1008);
      expect(all[0].types).to.deep.equal(['connection_established', 'deprecation', 'error']);
      expect(all[1].types).to.deep.equal(['connection_established', 'deprecation']);
      await all[2].waitFor('system_status', ({ data }) => data?.n === 3);
      expect(all[2].types).to.not.include('user_login');
    } finally {
      await far.node.stop();
      await proxy.stop();
    }
  });

  // Seen red: with the orders read before the note is written (LegacyAcceptor.note).
  it('a token that is revoked while its connection is being made must not slip in (C7)', async () => {
    const proxy = await RedisProxy.start(world.redis.port);
    const slow = await world.node({ ...ON, NODE_ID: 'slow', REDIS_URL: proxy.url });
    try {
      const user = world.user();
      for (const link of proxy.links) link.hold('down');
      const client = dial(user, slow);
      await until(() => noteOf(user, 'health'), { what: 'it is noted' });
      // Without the look at the live connection that an order asks for: the sweep alone would end it, in ten minutes.
      const store = new RegistryStore({ redis, keys, policy: 'replace' });
      await store.revoke(user, { before: Date.now(), reason: '' }, Date.now());
      proxy.heal();
      expect((await client.closed()).code).to.equal(1008);
      expect(client.types).to.deep.equal(['error']);
    } finally {
      await slow.node.stop();
      await proxy.stop();
    }
  });

  it('a node that stops must send its old clients away with a code on which they come back', async () => {
    const leaving = await world.node({ ...ON, NODE_ID: 'leaving' });
    const client = await clients.connect(leaving, 'health', world.user());
    await client.waitFor('deprecation');
    await leaving.node.stop();
    expect((await client.closed()).code).to.equal(1012);
    expect(client.types).to.deep.equal(['connection_established', 'deprecation']);
  });
});
