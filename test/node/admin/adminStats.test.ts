import { type ClientMessageType, clientMessages, isClientMessageType } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { until } from '../../support/wait.js';
import { expectMessage } from '../support/schemas.js';
import { type LocalNode, World } from '../support/world.js';

/** Data that each message which needs a permission takes. */
const DATA: Partial<Record<ClientMessageType, object>> = {
  disconnect_user: { user_id: 'nobody' },
  publish_event: { event_type: 'custom_event', data: {} },
  broadcast_admin_message: { message: 'good day' },
};

describe('what admins ask over their connection', () => {
  const world = new World();
  let node: LocalNode;
  let other: LocalNode;
  let admin: TestClient;
  let user: TestClient;

  before(async () => {
    await world.start();
    const env = { MAX_CONSECUTIVE_ERRORS: '1000', MESSAGE_BURST: '10000', COMMAND_TIMEOUT_MS: '500' };
    [node, other] = await Promise.all([world.node({ ...env, NODE_ID: 'n1' }), world.node({ ...env, NODE_ID: 'n2' })]);
    admin = await world.connect(node, 'the-admin', ['admin']);
    user = await world.connect(other, 'the-user');
    const knowsBoth = async () => (await admin.ask('get_connection_stats', {}, 'connection_stats')).nodes.length === 2;
    await until(knowsBoth, { what: 'n1 knows n2' });
  });
  after(() => world.stop());

  it('statistics of one node taken for those of the cluster hide the other half (F31)', async () => {
    const frame = await admin.request('get_connection_stats');
    expectMessage(frame, 'connection_stats');
    const stats = await admin.ask('get_connection_stats', {}, 'connection_stats');
    expect(stats).to.include({ node_id: 'n1', total_connections: 2, established: 2 });
    expect(stats.connections_by_status.connected).to.equal(2);
    expect(stats.missing_nodes).to.deep.equal([]);
    expect(stats.nodes.map(({ node_id, total_connections }) => [node_id, total_connections])).to.deep.equal([
      ['n1', 1],
      ['n2', 1],
    ]);
    const sums = stats.nodes.reduce((sum, one) => sum + (one.messages_by_type.get_connection_stats ?? 0), 0);
    expect(stats.messages_by_type.get_connection_stats, 'a tally is the sum of the nodes').to.equal(sums);
  });

  it('router statistics that do not count what was routed, as the predecessor did, tell nothing', async () => {
    const before = await admin.ask('get_router_stats', {}, 'router_stats');
    const { event_id } = await admin.ask(
      'publish_event',
      { event_type: 'custom_event', data: { name: 'counted' } },
      'event_accepted',
    );
    await Promise.all([admin, user].map((one) => one.waitFor('custom_event', (frame) => frame.id === event_id)));
    const frame = await admin.request('get_router_stats');
    expectMessage(frame, 'router_stats');
    const after = await admin.ask('get_router_stats', {}, 'router_stats');
    expect(after.delivery.deliveries - before.delivery.deliveries).to.equal(2);
    const routed = ({ workers }: typeof after): number => workers.appended + workers.direct;
    expect(routed(after) - routed(before)).to.equal(1);
    expect((after.publishes.accepted ?? 0) - (before.publishes.accepted ?? 0)).to.equal(1);
    expect(after).to.include({ event_queue_size: 0, event_queue_max: 100_000 });
    expect(after.paused_queues).to.deep.equal([]);
    expect(after.nodes).to.have.length(2);
  });

  it('system metrics as a reply must not pass for the event of that name: they have no scope', async () => {
    const frame = await admin.request('get_system_metrics');
    expectMessage(frame, 'system_metrics');
    expect(frame.scope).to.equal(undefined);
    const metrics = await admin.ask('get_system_metrics', {}, 'system_metrics');
    expect(metrics.websocket).to.include({ total_connections: 2, event_queue_size: 0 });
    const [first] = metrics.nodes;
    expect(first).to.include({ node_id: 'n1', ready: true, draining: false, pid: process.pid });
    expect(first?.process.memory_rss).to.be.above(1_000_000);
    expect(first?.process.cpu_percent, 'a process that works takes processor').to.be.above(0);
    expect(first?.system.memory_available).to.be.within(1, first?.system.memory_total ?? 0);
    expect(first?.system.load_average).to.have.length(3);
  });

  it('a node that does not answer must be named, and the answer not wait for it longer than is set', async () => {
    const redis = world.redis.client();
    await redis.hset('uws:nodes', 'silent.abc', '1');
    const missing = async () => (await admin.ask('get_connection_stats', {}, 'connection_stats')).missing_nodes;
    await until(async () => (await missing()).length > 0, { what: 'the node is noticed' });
    const asked = performance.now();
    const replies = await Promise.all([
      admin.ask('get_connection_stats', {}, 'connection_stats'),
      admin.ask('get_router_stats', {}, 'router_stats'),
      admin.ask('get_system_metrics', {}, 'system_metrics'),
    ]);
    expect(performance.now() - asked).to.be.below(3 * 500 + 500);
    for (const { missing_nodes, nodes } of replies) {
      expect(missing_nodes).to.deep.equal(['silent']);
      expect(nodes).to.have.length(2);
    }
    await redis.hset('uws:nodes', 'silent.abc', 'ended');
    await until(async () => (await missing()).length === 0, { what: 'it is known dead' });
  });

  it('an announcement that only those get who asked for it, as with the predecessor, reaches nobody', async () => {
    const sent = await admin.request('broadcast_admin_message', { message: 'Maintenance at 22:00', priority: 'high' });
    expectMessage(sent, 'admin_broadcast_sent');
    expect(sent.data).to.include({ message: 'Maintenance at 22:00', priority: 'high' });
    const [here, there] = await Promise.all(
      [admin, user].map((one) => one.waitFor('admin_broadcast', (frame) => frame.id === sent.data.event_id)),
    );
    for (const event of [here, there]) {
      expect(event).to.include({ scope: 'broadcast', priority: 'high', category: 'system' });
      expect(event?.data).to.deep.equal({
        message: 'Maintenance at 22:00',
        from_admin: 'the-admin',
        broadcast_time: sent.data.sent_at,
      });
    }
    const plain = await admin.ask('broadcast_admin_message', { message: 'all clear' }, 'admin_broadcast_sent');
    expect(plain.priority, "the type's own, told and not echoed").to.equal('normal');
  });

  it('an announcement that leaves no record cannot be answered for', async () => {
    const redis = world.redis.client();
    const { event_id } = await admin.ask(
      'broadcast_admin_message',
      { message: 'recorded', reason: 'for the archive' },
      'admin_broadcast_sent',
    );
    const record = await until(
      async () => {
        const rows = await redis.xrevrange('uws:audit', '+', '-', 'COUNT', 10);
        return rows.map(([, fields]) => fields).find((fields) => fields.includes(event_id));
      },
      { what: 'an audit record' },
    );
    expect(record).to.include.members(['broadcast', 'the-admin', 'everybody', 'for the archive', 'websocket']);
    expect(record.join()).to.include('recorded');
  });

  it('an empty announcement, or one of an unknown priority, must be refused and not sent as normal', async () => {
    for (const data of [{}, { message: '' }, { message: ' \n' }, { message: 'x', priority: 'highest' }]) {
      const answer = await admin.request('broadcast_admin_message', data);
      expect(answer.data.error_code, JSON.stringify(data)).to.equal('VALIDATION_ERROR');
    }
    const long = await admin.request('broadcast_admin_message', { message: 'x'.repeat(2001) });
    expect(long.data.error_code).to.equal('VALIDATION_ERROR');
  });

  it('a message that needs a permission must be refused without it, and not be offered either', async () => {
    const guarded = Object.entries(clientMessages).flatMap(([type, { permission }]) =>
      permission !== null && isClientMessageType(type) ? [{ type, permission }] : [],
    );
    expect(guarded).to.have.length.above(8);
    const offered = async (client: TestClient): Promise<string[]> => {
      const answer = await client.request('no_such_message');
      return answer.data.supported_types as string[];
    };
    const [toUser, toAdmin] = await Promise.all([offered(user), offered(admin)]);
    for (const { type, permission } of guarded) {
      const answer = await user.request(type, DATA[type] ?? {});
      expectMessage(answer, 'error');
      expect(answer.data, type).to.include({ error_code: 'PERMISSION_DENIED', recoverable: true });
      expect(answer.data.details, type).to.deep.equal({ permission });
      expect(toUser, type).to.not.include(type);
      expect(toAdmin, type).to.include(type);
    }
  });

  it('a connection that is called unhealthy without a reason cannot be mended by its user', async () => {
    const client = await world.connect(node);
    await client.request('no_such_message');
    const sick = await client.request('health_check');
    expectMessage(sick, 'health_check_response');
    expect(sick.data).to.include({ connection_healthy: false, consecutive_errors: 1 });
    expect(sick.data.health_reasons).to.deep.equal(['errors']);
    const status = await client.request('get_connection_status');
    expectMessage(status, 'connection_status');
    expect(status.data).to.include({ is_healthy: true });
    expect(status.data.health_reasons).to.deep.equal([]);
  });
});
