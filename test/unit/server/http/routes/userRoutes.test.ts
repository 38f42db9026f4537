import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type LocalNode, World } from '../../../../node/support/world.js';
import { adminToken } from '../../../../support/tokens.js';
import { until } from '../../../../support/wait.js';
import { type Answer, call, expectProblem } from '../support.js';

const TIMEOUT_MS = 700;

describe('REST about single users', () => {
  const world = new World();
  let first: LocalNode;
  let second: LocalNode;
  let redis: Redis;
  const token = adminToken();

  before(async () => {
    await world.start();
    const env = { COMMAND_TIMEOUT_MS: String(TIMEOUT_MS) };
    first = await world.node(env);
    second = await world.node(env);
    redis = world.redis.client();
  });

  afterEach(() => world.endClients());
  after(() => world.stop());

  /** An entry whose owner hears nothing: as after SIGSTOP, before anybody may call its lease dead. */
  async function silentOwner(user: string, lease = 'gone.abc'): Promise<void> {
    const facts = JSON.stringify({ username: 'Gone', roles: ['user'], ip: '192.0.2.1', since: '2026-01-01T00:00:00Z' });
    await redis.hset(`uws:{u:${user}}:conn`, { conn: 'c-gone', fence: '1000', lease, client: '', attempt: '0', facts });
  }

  const lookup = (user: string, node = first): Promise<Answer> => call(node, `user/${user}`, { token });

  it('GET /user tells of a connection on another node what only that node knows', async () => {
    const user = world.user();
    const client = await world.connect(second, user);
    await client.ask('ping', undefined, 'pong');
    await client.request('nonsense');
    const { status, body } = await lookup(user);
    expect(status).to.equal(200);
    expect(body).to.include({
      user_id: user,
      username: user,
      is_admin: false,
      connection_id: client.establishedData?.connection_id,
      node_id: 'n2',
      fence: client.establishedData?.fence,
      ip: '127.0.0.1',
      node_reachable: true,
      status: 'connected',
      is_healthy: false,
      message_count: 2,
      error_count: 1,
      consecutive_errors: 1,
      buffered_bytes: 0,
      expires_at: client.establishedData?.expires_at,
    });
    expect(body.roles).to.deep.equal(['user']);
    expect(body.health_reasons, 'why it is not healthy').to.deep.equal(['errors']);
    expect(body.subscriptions).to.deep.equal(client.establishedData?.subscriptions);
    expect(Date.parse(body.last_activity)).to.be.closeTo(Date.now(), 60_000);
    expect(JSON.stringify(body)).not.to.match(/eyJ[\w-]{17,}/);
  });

  it('GET /user of a user with odd characters finds that one', async () => {
    const user = 'ä/b c%{}:☃';
    const client = await world.connect(second, user);
    const { body } = await lookup(encodeURIComponent(user));
    expect(body.connection_id).to.equal(client.establishedData?.connection_id);
    expect(body.user_id).to.equal(user);
  });

  it('GET /user of somebody who is not connected, or no more, is 404', async () => {
    expectProblem(await lookup('never-there'), 404, 'NOT_FOUND');
    const user = world.user();
    const client = await world.connect(second, user);
    await client.close();
    await until(async () => (await lookup(user)).status === 404, { what: 'the release' });
  });

  it('GET /user of an owner that does not answer tells what the registry knows, in time', async () => {
    await silentOwner('silent-1');
    const startedAt = performance.now();
    const { status, body } = await lookup('silent-1');
    expect(performance.now() - startedAt).to.be.below(TIMEOUT_MS + 500);
    expect(status).to.equal(200);
    expect(body).to.include({
      username: 'Gone',
      node_id: 'gone',
      connection_id: 'c-gone',
      ip: '192.0.2.1',
      node_reachable: false,
      status: null,
      message_count: null,
    });
    expect(body.subscriptions).to.equal(null);
  });

  it('GET /user takes an entry of a dead lease for absent', async () => {
    await redis.hset('uws:nodes', 'dead.abc', 'ended');
    await silentOwner('silent-2', 'dead.abc');
    await until(async () => (await lookup('silent-2')).status === 404, { what: 'the lease is known dead' });
  });

  it('POST /disconnect ends a connection on another node and names that node', async () => {
    const user = world.user();
    const client = await world.connect(second, user);
    const answer = await call(first, `disconnect/${user}`, { token, json: { reason: 'maintenance' } });
    expect(answer.status).to.equal(200);
    expect(answer.body).to.include({ user_id: user, result: 'closed', node_id: 'n2', reason: 'maintenance' });
    expect(await client.closed()).to.include({ code: 4002, reason: 'maintenance' });
  });

  it('POST /disconnect needs no body', async () => {
    const user = world.user();
    const client = await world.connect(first, user);
    const { body } = await call(first, `disconnect/${user}`, { token, method: 'POST' });
    expect(body).to.include({ result: 'closed', node_id: 'n1', reason: null });
    expect(await client.closed()).to.include({ code: 4002 });
  });

  it('POST /disconnect of nobody is 200 not_connected', async () => {
    const { status, body } = await call(first, 'disconnect/never-there', { token, method: 'POST' });
    expect(status).to.equal(200);
    expect(body).to.include({ result: 'not_connected', node_id: null });
  });

  it('POST /disconnect of an owner that does not answer is 200 node_unreachable, with a tombstone, in time', async () => {
    await silentOwner('silent-3');
    const startedAt = performance.now();
    const { status, body } = await call(first, 'disconnect/silent-3', { token, method: 'POST' });
    expect(performance.now() - startedAt).to.be.below(TIMEOUT_MS + 500);
    expect(status).to.equal(200);
    expect(body).to.include({ result: 'node_unreachable', node_id: 'gone' });
    expect(await redis.hgetall('uws:{u:silent-3}:conn')).to.include({ conn: '', code: '4002' });
  });

  it('POST /disconnect with a ban keeps the user out', async () => {
    const user = world.user();
    const client = await world.connect(second, user);
    const { body } = await call(first, `disconnect/${user}`, { token, json: { ban_seconds: 60, reason: 'abuse' } });
    expect(body).to.include({ result: 'closed' });
    expect(await client.closed()).to.include({ code: 4003, reason: 'abuse' });
    let refused = '';
    try {
      await world.connect(first, user);
    } catch (error) {
      refused = String(error);
    }
    expect(refused).to.include('4003');
  });

  it('POST /disconnect is on record with who, whom, why, and from where', async () => {
    const user = world.user();
    await call(first, `disconnect/${user}`, { token: adminToken('admin-9'), json: { reason: 'why' } });
    const [entry] = await until(
      async () => {
        const found = await redis.xrevrange('uws:audit', '+', '-', 'COUNT', 1);
        return found[0]?.[1].includes(user) && found[0][1].includes('of') ? found : null;
      },
      { what: 'the audit record' },
    );
    const fields = entry?.[1] ?? [];
    const record = Object.fromEntries(fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1]]] : [])));
    expect(record).to.include({
      action: 'disconnect',
      by: 'admin-9',
      target: user,
      reason: 'why',
      via: 'rest',
      ip: '127.0.0.1',
      result: 'not_connected',
    });
  });
});
