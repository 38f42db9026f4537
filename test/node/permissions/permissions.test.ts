import { Keys } from '@unified-ws/server/redis/keys';
import { RegistryStore } from '@unified-ws/server/registry/store/registryStore';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { Received, TestClient } from '../../support/client.js';
import { RedisProxy } from '../../support/redisProxy.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type Answer, call, expectProblem } from '../../unit/server/http/support.js';
import { logOf, storedEvent } from '../support/events.js';
import { expectMessage } from '../support/schemas.js';
import { type LocalNode, World } from '../support/world.js';

const GRACE_MS = 1000;
const SENSITIVE = { internal_ip: '10.0.0.1', nested: { token: 'x' }, list: [{ secret: 's' }] };

/** What the server said by itself of the subscriptions. */
const changes = (client: TestClient): Received[] =>
  client.frames.filter((frame) => frame.type === 'subscription_updated' && frame.reply_to === undefined);

// Seen red: without `amend` in Reconciler.one (withdrawn, missed), without the amendment in claim.lua's answer (reconnects, waits),
// with `asOf` at the order's own second or without the wait for its end (reconnects, replaced, issued right after), and with the
// clearance of before (sensitive fields).
describe('permissions in force', function () {
  this.timeout(15_000);
  const world = new World();
  let one: LocalNode;
  let two: LocalNode;
  let redis: Redis;

  before(async () => {
    await world.start();
    redis = world.redis.client();
    const env = { TOKEN_GRACE_MS: String(GRACE_MS), PING_INTERVAL_MS: '400' };
    [one, two] = await Promise.all([world.node({ ...env, NODE_ID: 'one' }), world.node({ ...env, NODE_ID: 'two' })]);
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  const order = (user: string, json: object = {}, node = one): Promise<Answer> =>
    call(node, `users/${user}/permissions-changed`, { json, token: adminToken() });

  async function append(type: string, data: Record<string, unknown> = {}): Promise<string> {
    const event = storedEvent(data, { type });
    await logOf(world.redis).append([event]);
    return event.id;
  }

  /** Which of the types reach the client now. */
  async function received(client: TestClient, ...types: string[]): Promise<string[]> {
    const before = client.events.length;
    for (const type of types) await append(type);
    const mark = await append('admin_broadcast');
    await client.waitFor('admin_broadcast', (frame) => frame.id === mark);
    return client.events.slice(before, -1).map((frame) => frame.type);
  }

  const asAdmin = (user: string): Promise<TestClient> => world.connect(two, user, ['admin']);

  it('a permission withdrawn on one node must end its events on another within a second, with the reason (G8)', async () => {
    const user = world.user();
    const client = await asAdmin(user);
    expect(await received(client, 'user_login')).to.deep.equal(['user_login']);
    const log = logOf(world.redis);
    let running = true;
    const appended = (async () => {
      while (running) await log.append([storedEvent({}, { type: 'user_login' })]);
    })();
    const startedAt = systemClock.mono();
    const answered = order(user, { roles: ['user'] });
    const reported = await client.waitFor('subscription_updated');
    expect(reported.at - startedAt).to.be.lessThan(1000);
    expectMessage(reported, 'subscription_updated');
    expect(reported.data.reason).to.equal('permissions_changed');
    expect(reported.data.subscriptions).to.include('zone_created').and.not.include('user_login');
    expect(reported.data.errors).to.deep.include({ event_type: 'user_login', error: 'permission_denied' });
    const { status, body } = await answered;
    expect(status).to.equal(200);
    expect(body).to.include({ user_id: user, result: 'applied', node_id: 'two', renew_by: null });
    expect(body.took_ms).to.be.lessThan(2000);
    running = false;
    await appended;
    await received(client);
    const late = client.frames.slice(client.frames.indexOf(reported)).filter((frame) => frame.type === 'user_login');
    expect(late).to.deep.equal([]);
    expect(changes(client)).to.have.length(1);
    const denied = await client.ask('subscribe_events', { event_types: ['user_login'] }, 'subscription_updated');
    expect(denied.errors).to.deep.equal([{ event_type: 'user_login', error: 'permission_denied' }]);
    expect((await call(one, `user/${user}`, { token: adminToken() })).body.roles).to.deep.equal(['user']);
  });

  it('who reconnects with the token from before must not get the withdrawn permissions back', async () => {
    const user = world.user();
    const old = token(user, { roles: ['admin'], claims: { permissions: ['events:admin'] } });
    const client = await world.connect(two, user, [], { token: old });
    await order(user, { roles: ['user'], permissions: [] });
    await client.close();
    const again = await world.connect(one, user, [], { token: old });
    expect(again.establishedData?.roles).to.deep.equal(['user']);
    expect(again.establishedData?.is_admin).to.equal(false);
    expect(again.establishedData?.permissions).to.deep.equal(['events:receive']);
    expect(await received(again, 'user_login', 'zone_created')).to.deep.equal(['zone_created']);
    const refused = await again.request('disconnect_user', { user_id: 'nobody' });
    expect(refused.data.error_code).to.equal('PERMISSION_DENIED');
    expectProblem(await call(one, 'stats', { token: old }), 403, 'PERMISSION_DENIED');
    await again.close();
    // Issued after the answer, be it in the same moment: what it says holds.
    const renewed = await world.connect(two, user, ['admin']);
    expect(renewed.establishedData?.roles).to.deep.equal(['admin']);
    expect(await received(renewed, 'user_login')).to.deep.equal(['user_login']);
  });

  it('a role that is given brings its defaults, and what was saved and is allowed again comes back', async () => {
    const user = world.user();
    const admin = await asAdmin(user);
    await admin.ask('subscribe_events', { event_types: ['audit_log'] }, 'subscription_updated');
    await order(user, { roles: ['user'] });
    expect(changes(admin).at(-1)?.data.subscriptions).to.not.include('audit_log');
    await order(user, { roles: ['admin'] });
    const back = changes(admin).at(-1);
    expect(back?.data.subscriptions).to.include.members(['audit_log', 'user_login']);
    expect(back?.data.errors).to.deep.equal([]);
    expect(await received(admin, 'audit_log', 'user_login')).to.deep.equal(['audit_log', 'user_login']);
    // A change that touches no subscription is nothing to tell.
    await order(user, { permissions: ['reports:read'] });
    expect(changes(admin)).to.have.length(2);
  });

  it('a role that nobody knows must give nothing', async () => {
    const user = world.user();
    const client = await asAdmin(user);
    await order(user, { roles: ['superuser', '__proto__'], permissions: [] });
    expect(changes(client).at(-1)?.data.subscriptions).to.deep.equal([]);
    expect((await client.request('get_subscription_info')).data.available).to.deep.equal([]);
  });

  it('sensitive fields must go with the clearance, and an emptied object must be sent empty (the predecessor sent it whole)', async () => {
    const user = world.user();
    const client = await asAdmin(user);
    const seen = async (): Promise<unknown> => {
      const id = await append('security_alert', SENSITIVE);
      return (await client.waitFor('security_alert', (frame) => frame.id === id)).data;
    };
    expect(await seen()).to.deep.equal(SENSITIVE);
    await order(user, { roles: ['user'] });
    expect(await seen()).to.deep.equal({ nested: {}, list: [{}] });
    await order(user, { permissions: ['events:sensitive'] });
    expect(await seen()).to.deep.equal(SENSITIVE);
  });

  it('an order for somebody who is not connected must wait for him', async () => {
    const user = world.user();
    const old = token(user, { roles: ['admin'] });
    expect((await order(user, { roles: ['user'] })).body).to.include({ result: 'not_connected', node_id: null });
    const client = await world.connect(two, user, [], { token: old });
    expect(client.establishedData?.roles).to.deep.equal(['user']);
  });

  it('an order that came between claim and connection_established must not be lost', async () => {
    const proxy = await RedisProxy.start(world.redis.port);
    try {
      const slow = await world.node({ NODE_ID: 'slow', REDIS_URL: proxy.url });
      const user = world.user();
      const client = world.dial(slow, { token: token(user, { roles: ['admin'] }) });
      for (const link of proxy.links) link.hold('down');
      await until(async () => (await world.entry(redis, user)).conn, { what: 'the claim ran' });
      const answered = order(user, { roles: ['user'] });
      await until(() => redis.hget(`uws:{u:${user}}:revoked`, 'roles'), { what: 'the order is stored' });
      for (const link of proxy.links) link.release();
      await client.established();
      expect((await answered).body.result).to.equal('applied');
      const { subscriptions } = await client.ask('get_subscription_info', {}, 'subscription_info');
      expect(subscriptions).to.include('zone_created').and.not.include('user_login');
      expect((await call(slow, `user/${user}`, { token: adminToken() })).body.permissions).to.deep.equal([
        'events:receive',
      ]);
    } finally {
      await proxy.stop();
    }
  });

  it('a node that missed the order must apply it before it delivers again (C12)', async () => {
    const proxy = await RedisProxy.start(world.redis.port);
    try {
      const cut = await world.node({ NODE_ID: 'cut', REDIS_URL: proxy.url });
      const user = world.user();
      const client = await world.connect(cut, user, ['admin']);
      await received(client);
      for (const link of proxy.links) link.cut();
      const store = new RegistryStore({ redis, keys: new Keys('uws'), policy: 'replace' });
      await store.amend(user, { roles: ['user'], asOf: Date.now() + 1000 });
      const missed = [await append('user_login'), await append('zone_created')];
      await client.waitFor('zone_created', (frame) => frame.id === missed[1]);
      expect(client.frames.some((frame) => frame.id === missed[0])).to.equal(false);
      expect(changes(client)).to.have.length(1);
    } finally {
      await proxy.stop();
    }
  });

  it('tokens that have to be replaced: told at once, ended with 4101 after the grace, and void from then on', async () => {
    const user = world.user();
    const old = token(user);
    const client = await world.connect(two, user, [], { token: old });
    const { body } = await order(user);
    const startedAt = Date.parse(body.as_of);
    expect(body).to.include({ result: 'applied', renew_by: new Date(startedAt + GRACE_MS).toISOString() });
    const reported = await client.waitFor('token_expiring');
    expectMessage(reported, 'token_expiring');
    expect(reported.data).to.deep.equal({ expires_at: body.as_of });
    // Let in while the grace lasts, and told the same.
    const again = await world.connect(one, user, [], { token: old });
    expect(again.establishedData?.expires_at).to.equal(body.as_of);
    await again.waitFor('token_expiring');
    expect((await again.ended).code).to.equal(4101);
    expect(Date.now() - startedAt).to.be.within(GRACE_MS, GRACE_MS + 700);
    const late = world.dial(one, { token: old });
    expect((await late.ended).code).to.equal(4101);
    expect(late.frames.at(-1)?.data).to.include({ error_code: 'TOKEN_EXPIRED' });
    expectProblem(await call(one, 'stats', { token: old }), 401, 'TOKEN_EXPIRED');
    await world.connect(two, user);
  });

  it('a token issued right after token_expiring must keep the connection, one from before must not', async () => {
    const user = world.user();
    const client = await world.connect(two, user);
    const spare = token(user);
    const answered = order(user);
    await client.waitFor('token_expiring');
    const renewed = token(user, { claims: { jti: 'new' } });
    const kept = await client.ask('refresh_token', { token: spare }, 'token_refreshed');
    expect(kept.expires_at).to.equal((await answered).body.as_of);
    const done = await client.ask('refresh_token', { token: renewed }, 'token_refreshed');
    expect(Date.parse(done.expires_at)).to.be.greaterThan(Date.now() + 3_000_000);
    await until(() => Date.now() > Date.parse(kept.expires_at) + GRACE_MS + 600, { what: 'the grace is over' });
    expect(client.isOpen).to.equal(true);
  });

  it('who may not disconnect users may not change their permissions, and bad orders change nothing', async () => {
    const user = world.user();
    const path = `users/${user}/permissions-changed`;
    expectProblem(await call(one, path, { json: {}, token: token('u') }), 403, 'PERMISSION_DENIED');
    for (const [json, at] of [
      [{ roles: 'admin' }, '/roles'],
      [{ roles: [''] }, '/roles/0'],
      [{ permissions: Array.from({ length: 65 }, () => 'x:y') }, '/permissions'],
      [{ role: ['user'] }, '/role'],
    ] as const) {
      const problem = expectProblem(await call(one, path, { json, token: adminToken() }), 400, 'VALIDATION_ERROR');
      expect(problem.errors?.[0]?.path).to.equal(at);
    }
    expect(await redis.exists(`uws:{u:${user}}:revoked`)).to.equal(0);
  });

  it('orders are audited', async () => {
    const user = world.user();
    await order(user, { roles: ['user'], reason: 'left the team' });
    const found = await until(
      async () => {
        const records = await redis.xrevrange('uws:audit', '+', '-');
        return records.map(([, fields]) => fields).find((fields) => fields.includes(user) && fields.includes('of'));
      },
      { what: 'the record' },
    );
    const said = ['left the team', '{"roles":["user"]}'];
    expect(found).to.include.members(['permissions_changed', user, 'admin-1', 'not_connected', ...said]);
  });
});
