import { LEGACY_GROUPS, type LegacyGroup } from '@unified-ws/protocol';
import { expect } from 'chai';
import { token } from '../../support/tokens.js';
import { LegacyClients, publish } from '../support/legacy.js';
import { type LocalNode, World } from '../support/world.js';

// Seen red: without the permission or the group in typesOf (connection_established, subscribe_events), without mayUse in LegacyAcceptor (F19), without the
// cohort's shape in Fanout and EphemeralDelivery (old shape, ephemeral), with the list echoed and not kept (subscribe_events), without
// the count of errors in a row (few messages), with MAX_ROW never reached (F15).
describe('legacy endpoints', function () {
  this.timeout(15_000);
  const world = new World();
  const clients = new LegacyClients();
  let one: LocalNode;
  let off: LocalNode;

  before(async () => {
    await world.start();
    [one, off] = await Promise.all([
      world.node({ NODE_ID: 'one', LEGACY_ENDPOINTS: 'true' }),
      world.node({ NODE_ID: 'off' }),
    ]);
  });
  afterEach(async () => {
    clients.end();
    await world.endClients();
  });
  after(() => world.stop());

  const ZONES = ['zone_created', 'zone_updated', 'zone_deleted', 'record_created', 'record_updated', 'record_deleted'];
  const EXPECTED: Readonly<Record<Exclude<LegacyGroup, 'admin'>, readonly string[]>> = {
    health: ['health_update', 'health_alert', 'forwarder_status_change', 'system_status'],
    dns_management: [...ZONES, 'bind_reload', 'config_change'],
    security: ['security_alert', 'rpz_update', 'threat_detected', 'system_status'],
    // Without user_login and user_logout, which are not for users.
    system: ['system_status', 'bind_reload', 'config_change'],
  };

  for (const [group, types] of Object.entries(EXPECTED)) {
    it(`a client of ${group} must get connection_established first, with the old default list as far as it is permitted`, async () => {
      for (const path of [`/ws/${group}`, `/api/websocket/ws/${group}`]) {
        const client = clients.dial(one, group, { path, token: token(world.user()) });
        expect([...(await client.established())].sort()).to.deep.equal([...types].sort());
        const [establishedData] = client.frames;
        expect(establishedData?.type).to.equal('connection_established');
        expect(establishedData?.data).to.have.all.keys('connection_type', 'subscribed_events');
        expect(establishedData?.data?.connection_type).to.equal(group);
        const { data } = await client.waitFor('deprecation');
        expect(data).to.include({ replacement: '/api/unified/ws', group, assigned: 'legacy', enforced: false });
        expect(data?.categories).to.include(group === 'dns_management' ? 'dns' : group);
      }
    });
  }

  it('the admin endpoint must be closed to whoever may not see what admins see (F19)', async () => {
    const refused = clients.dial(one, 'admin', { token: token(world.user()) });
    expect(await refused.closed()).to.include({ code: 1008 });
    expect(refused.types).to.deep.equal(['error']);
    expect(refused.frames[0]?.data).to.include({ error_code: 'PERMISSION_DENIED' });
    const admin = await clients.connect(one, 'admin', world.user(), ['admin']);
    const types = await admin.established();
    expect(types).to.have.lengthOf(18).and.include.members(['user_login', 'session_expired', 'zone_created']);
  });

  it('a token that nobody signed, a string that is none, and no token at all must let nobody in (F17)', async () => {
    const forged = token(world.user(), { roles: ['admin'], secret: 'another-secret-0123456789abcdef0123456789' });
    for (const options of [
      { token: forged },
      { token: 'no-token' },
      {},
      { token: token('u', { claims: { iat: 1, exp: 2 } }) },
    ]) {
      const client = clients.dial(one, 'health', options);
      expect(await client.closed()).to.include({ code: 1008, status: null });
      expect(client.types).to.deep.equal(['error']);
      expect(client.frames[0]?.data).to.have.keys('message', 'error_code', 'timestamp', 'recoverable');
    }
  });

  it('while the endpoints are off, and for what is no group, there must be nothing', async () => {
    const dialled = [
      ...LEGACY_GROUPS.map((group) => clients.dial(off, group, { token: token('u') })),
      clients.dial(off, 'health', { token: token('u'), path: '/api/websocket/ws/health' }),
      clients.dial(one, 'nothing', { token: token('u') }),
      clients.dial(one, 'health', { token: token('u'), path: '/ws/health/u' }),
      clients.dial(one, 'health', { token: token('u'), path: '/api/websocket/ws' }),
    ];
    for (const client of dialled) expect(await client.closed()).to.include({ status: 404 });
  });

  it("an event must come in the old shape, without the fields that are hidden from the user's role", async () => {
    const user = await clients.connect(one, 'security', world.user());
    const admin = await clients.connect(one, 'security', world.user(), ['admin']);
    const unified = await world.connect(one);
    const event = {
      event_type: 'security_alert',
      data: { title: 'T', source_ip: '10.0.0.1', nested: { Password: 'x', keyword: 'kept' } },
      metadata: { tags: ['a'] },
      priority: 'high',
    };
    await publish(one, event);
    const reported = await user.waitFor('security_alert');
    expect(JSON.parse(reported.text)).to.have.all.keys('type', 'data', 'timestamp');
    expect(reported.data).to.deep.equal({ title: 'T', nested: { keyword: 'kept' } });
    expect(reported.timestamp).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect((await admin.waitFor('security_alert')).data).to.deep.equal(event.data);
    const frame = await unified.waitFor('security_alert');
    expect(frame).to.include({ scope: 'broadcast', priority: 'high' });
    expect(frame.id).to.be.a('string');
  });

  it('an ephemeral event must come in the old shape, and no targeted one, and none of another group', async () => {
    const user = world.user();
    const client = await clients.connect(one, 'health', user);
    const unified = await world.connect(one, user);
    await publish(one, { event_type: 'health_update', data: { n: 1 }, target_user_ids: [user] });
    await publish(one, { event_type: 'zone_created', data: { n: 2 } });
    await publish(one, { event_type: 'health_update', data: { n: 3 }, delivery: 'ephemeral' });
    await publish(one, { event_type: 'health_update', data: { n: 4 } });
    const reported = await client.waitFor('health_update', ({ data }) => data?.n === 3);
    expect(JSON.parse(reported.text)).to.have.all.keys('type', 'data', 'timestamp');
    await client.waitFor('health_update', ({ data }) => data?.n === 4);
    await unified.waitFor('health_update', ({ data }) => data.n === 1);
    await client.settled();
    expect(client.types).to.have.members([
      'connection_established',
      'deprecation',
      'health_update',
      'health_update',
      'pong',
    ]);
  });

  it('subscribe_events must really change what is received, within the group, and tell the truth', async () => {
    const client = await clients.connect(one, 'health', world.user());
    const asked = ['health_alert', 'system_metrics', 'zone_created', 'user_login', 'no_such_event'];
    const reply = await client.ask({ type: 'subscribe_events', data: { event_types: asked } }, 'subscription_updated');
    expect(reply.data).to.deep.equal({ subscribed_events: ['health_alert', 'system_metrics'] });
    await publish(one, { event_type: 'system_status', data: { n: 1 } });
    await publish(one, { event_type: 'health_alert', data: { n: 2 } });
    await client.waitFor('health_alert');
    await client.settled();
    expect(client.types).to.not.include('system_status');
    // As the oldest clients put it.
    const alias = await client.ask({ type: 'subscribe', events: ['system_status'] }, 'subscription_updated');
    expect(alias.data).to.deep.equal({ subscribed_events: ['system_status'] });
    await publish(one, { event_type: 'system_status', data: { n: 3 } });
    await client.waitFor('system_status', ({ data }) => data?.n === 3);
  });

  it('the few messages of the old protocol must be answered as they were', async () => {
    const client = await clients.connect(one, 'system', world.user());
    const pong = await client.ask({ type: 'ping' }, 'pong');
    expect(JSON.parse(pong.text)).to.have.all.keys('type', 'timestamp');
    client.send('ping');
    await client.waitFor('pong', ({ text }) => text === 'pong');
    const info = await client.ask({ type: 'get_system_info' }, 'system_info');
    expect(info.data).to.have.all.keys('router_stats', 'feature_flags', 'timestamp');
    expect(info.data?.feature_flags).to.include({ assigned: 'legacy', enforced: false });
    const stats = await client.ask({ type: 'get_stats' }, 'stats');
    expect(stats.data).to.include({ connection_type: 'system' });
    const unknown = await client.ask({ type: 'get_user_connections' }, 'error');
    expect(unknown.data).to.include({ error_code: 'UNKNOWN_MESSAGE_TYPE' });
    expect(unknown.data?.supported_types).to.include('get_system_info');
    for (const junk of ['{', '[]', '{}', '{"type":5}', '{"type":"subscribe_events","data":{"event_types":"zone"}}']) {
      client.send(junk);
    }
    expect(await client.closed()).to.include({ code: 1008 });
    expect(client.types.filter((type) => type === 'error')).to.have.lengthOf(5);
  });

  it("a legacy connection must leave the user's one connection alone, and that one it (G1)", async () => {
    const user = world.user();
    const unified = await world.connect(one, user);
    const health = await clients.connect(one, 'health', user);
    const security = await clients.connect(one, 'security', user);
    const second = await world.connect(one, user);
    expect((await unified.closed()).code).to.equal(4001);
    await publish(one, { event_type: 'system_status', data: {} });
    await Promise.all([health, security].map((client) => client.waitFor('system_status')));
    await second.waitFor('system_status');
    expect([health.isOpen, security.isOpen, second.isOpen]).to.deep.equal([true, true, true]);
  });

  it('the newest of a user and group must replace the one before, and two that do it in turn must come to rest (F15)', async () => {
    const user = world.user();
    const codes: number[] = [];
    let former = await clients.connect(one, 'health', user);
    for (let turn = 0; turn < 5; turn += 1) {
      const newer = await clients.connect(one, 'health', user);
      const { code, reason } = await former.closed();
      expect(reason).to.equal('Replaced by new connection');
      codes.push(code);
      former = newer;
    }
    expect(codes).to.deep.equal([1000, 1000, 1000, 1008, 1008]);
    expect(former.isOpen).to.equal(true);
  });
});
