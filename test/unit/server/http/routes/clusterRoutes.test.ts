import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type LocalNode, World } from '../../../../node/support/world.js';
import { adminToken } from '../../../../support/tokens.js';
import { until } from '../../../../support/wait.js';
import { type Answer, call, type Json } from '../support.js';

const TIMEOUT_MS = 500;

describe('REST about the cluster', () => {
  const world = new World();
  let first: LocalNode;
  let second: LocalNode;
  let redis: Redis;
  const token = adminToken();

  before(async () => {
    await world.start();
    const env = { COMMAND_TIMEOUT_MS: String(TIMEOUT_MS), MAX_CONSECUTIVE_ERRORS: '50' };
    first = await world.node(env);
    second = await world.node(env);
    redis = world.redis.client();
    // A node hears of the other by its beat.
    await until(async () => (await stats(first)).nodes.length === 2, { what: 'n1 knows n2' });
    await until(async () => (await stats(second)).nodes.length === 2, { what: 'n2 knows n1' });
  });

  afterEach(() => world.endClients());
  after(() => world.stop());

  const get = (path: string, node = first): Promise<Answer> => call(node, path, { token });
  const stats = async (node: LocalNode): Promise<Json> => (await get('stats', node)).body;

  /** A node of the registry that answers nothing, until it is known dead. */
  async function withSilentNode(test: () => Promise<void>): Promise<void> {
    await redis.hset('uws:nodes', 'silent.abc', '1');
    try {
      await until(async () => (await stats(first)).missing_nodes.length > 0, { what: 'the node is noticed' });
      await test();
    } finally {
      await redis.hset('uws:nodes', 'silent.abc', 'ended');
      await until(async () => (await stats(first)).missing_nodes.length === 0, { what: 'it is known dead' });
    }
  }

  it('GET /health of an idle cluster is healthy: nobody connected is no fault', async () => {
    const { status, body } = await get('health');
    expect(status).to.equal(200);
    expect(body).to.include({ status: 'healthy', score: 100, total_connections: 0 });
    expect(body.reasons).to.deep.equal([]);
    expect(body.nodes.map((node: Json) => [node.node_id, node.state, node.score])).to.deep.equal([
      ['n1', 'ready', 100],
      ['n2', 'ready', 100],
    ]);
  });

  it('GET /stats adds up both nodes, and is the same whichever is asked', async () => {
    const clients = [await world.connect(first), await world.connect(second), await world.connect(second)];
    await Promise.all(clients.map((client) => client.ask('ping', undefined, 'pong')));
    const before = await stats(first);
    await call(first, 'broadcast', { token, json: { event_type: 'zone_updated', data: {} } });
    await Promise.all(clients.map((client) => client.waitFor('zone_updated')));
    await until(async () => (await stats(first)).event_queue_size === 0, { what: 'the job is done' });
    for (const node of [first, second]) {
      const body = await stats(node);
      expect(body.total_connections).to.equal(3);
      expect(body.max_connections).to.equal(100_000);
      expect(body.connections_by_status.connected).to.equal(3);
      expect(body.total_messages_sent - before.total_messages_sent).to.equal(3);
      expect(body.total_events_processed - before.total_events_processed).to.equal(1);
      expect(body.total_messages_received).to.be.at.least(3);
      expect(body.missing_nodes).to.deep.equal([]);
      expect(body.queue.by_queue).to.have.keys('events-0', 'events-urgent');
      expect(body.nodes.map((one: Json) => [one.node_id, one.connections.total])).to.deep.equal([
        ['n1', 1],
        ['n2', 2],
      ]);
      const [one] = body.nodes;
      expect(one).to.include({ standing: 'serving', ready: true, draining: false, pid: process.pid });
      expect(one.memory.rss).to.be.above(1_000_000);
      expect(one.lease).to.match(/^n1\./);
    }
  });

  it('GET /stats, /health and /errors name a node that does not answer, in time', async () => {
    await withSilentNode(async () => {
      for (const path of ['stats', 'health', 'errors']) {
        const startedAt = performance.now();
        const { status, body } = await get(path);
        expect(performance.now() - startedAt, path).to.be.below(TIMEOUT_MS + 500);
        expect(status).to.equal(200);
        expect(body.missing_nodes, path).to.deep.equal(['silent']);
      }
      const { body } = await get('health');
      expect(body).to.include({ status: 'degraded', score: 67 });
      expect(body.nodes.find((node: Json) => node.node_id === 'silent')).to.include({ state: 'no_answer', score: 0 });
      expect(body.reasons.join()).to.include('silent: did not answer');
    });
  });

  it('a restarted node is not missing under its old lease', async () => {
    await redis.hset('uws:nodes', 'n2.formerlife', '1');
    const { body } = await get('stats');
    expect(body.missing_nodes).to.deep.equal([]);
    await redis.hset('uws:nodes', 'n2.formerlife', 'ended');
  });

  it('GET /health tells of failed jobs', async () => {
    await redis.zadd('{uws:q0}:events-0:failed', 1, 'poisoned');
    const { body } = await get('health');
    await redis.del('{uws:q0}:events-0:failed');
    expect(body).to.include({ status: 'healthy', score: 90 });
    expect(body.reasons).to.deep.equal(['queue: 1 failed jobs wait to be looked at']);
  });

  it('GET /errors counts what clients were told, and lists who has many, without what they sent', async () => {
    const user = world.user('faulty');
    const client = await world.connect(second, user);
    for (let i = 0; i < 4; i += 1) await client.request('no_such_secret');
    const { body } = await get('errors');
    expect(body.by_code.UNKNOWN_MESSAGE_TYPE).to.be.at.least(4);
    expect(body.total_errors).to.be.at.least(4);
    expect(body.connections_with_errors).to.equal(1);
    const [high] = body.high_error_rate_connections;
    expect(high).to.include({
      user_id: user,
      connection_id: client.establishedData?.connection_id,
      node_id: 'n2',
      error_count: 4,
      error_rate_per_minute: 4,
      consecutive_errors: 4,
      status: 'connected',
    });
    const [recent] = body.recent_errors.filter((error: Json) => error.user_id === user);
    expect(recent).to.include({
      code: 'UNKNOWN_MESSAGE_TYPE',
      via: 'websocket',
      connection_id: client.establishedData?.connection_id,
      node_id: 'n2',
    });
    expect(JSON.stringify(body)).not.to.include('no_such_secret');
  });

  it('GET /errors keeps what users met though strangers knock at the door', async () => {
    const user = world.user('met');
    const client = await world.connect(first, user);
    await client.request('no_such_type');
    await Promise.all(Array.from({ length: 120 }, () => call(first, 'stats')));
    const { body } = await get('errors');
    expect(body.by_code.AUTH_ERROR).to.be.at.least(120);
    expect(body.recent_errors.length).to.be.at.most(100);
    expect(body.recent_errors.some((error: Json) => error.user_id === user)).to.equal(true);
  });

  describe('GET /info', () => {
    it('is open, and lists what there is', async () => {
      const { status, body } = await call(first, 'info');
      expect(status).to.equal(200);
      expect(body.endpoint).to.equal('/api/unified/ws');
      expect(body.supported_event_types).to.include('zone_updated');
      expect(body.event_priorities).to.deep.equal(['low', 'normal', 'high', 'critical', 'urgent']);
      const sent = body.supported_messages.client_to_server.map((message: Json) => message.type);
      expect(sent).to.include.members(['ping', 'subscribe_events', 'publish_event']);
      expect(body.limits.max_payload).to.equal(65_536);
      expect(body.close_codes.map((one: Json) => one.code)).to.include(4001);
    });

    it('lets any page read it where any origin is allowed', async () => {
      const answer = await call(first, 'info', { headers: { origin: 'https://a.example' } });
      expect(answer.headers.get('access-control-allow-origin')).to.equal('*');
    });

    it('lets pages of the allowed origins read it, with a token, and no others', async () => {
      const strict = await world.node({ ALLOWED_ORIGINS: 'https://a.example,https://b.example' });
      const allowed = await call(strict, 'info', { headers: { origin: 'https://b.example' } });
      expect(allowed.headers.get('access-control-allow-origin')).to.equal('https://b.example');
      expect(allowed.headers.get('vary')).to.equal('Origin');
      const other = await call(strict, 'info', { headers: { origin: 'https://evil.example' } });
      expect(other.status).to.equal(200);
      expect(other.headers.get('access-control-allow-origin')).to.equal(null);
      const preflight = await call(strict, 'info', {
        method: 'OPTIONS',
        headers: { origin: 'https://a.example', 'access-control-request-headers': 'authorization' },
      });
      expect(preflight.status).to.equal(204);
      expect(preflight.headers.get('access-control-allow-headers')).to.equal('Authorization');
      expect(preflight.headers.get('access-control-allow-credentials')).to.equal(null);
      const stats = await call(strict, 'stats', { token, headers: { origin: 'https://a.example' } });
      expect(stats.headers.get('access-control-allow-origin')).to.equal(null);
    });
  });
});
