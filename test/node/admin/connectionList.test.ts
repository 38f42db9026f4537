import type { AllConnections, AllConnectionsRequest } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { call } from '../../unit/server/http/support.js';
import { expectMessage } from '../support/schemas.js';
import { type LocalNode, World } from '../support/world.js';

describe('the list of all connections', () => {
  const world = new World();
  let first: LocalNode;
  let second: LocalNode;
  let admin: TestClient;

  before(async () => {
    await world.start();
    const env = { MESSAGE_BURST: '10000', MAX_CONSECUTIVE_ERRORS: '1000', COMMAND_TIMEOUT_MS: '500' };
    [first, second] = await Promise.all([world.node({ ...env, NODE_ID: 'n1' }), world.node({ ...env, NODE_ID: 'n2' })]);
    admin = await world.connect(first, 'the-admin', ['admin']);
    await world.connect(second, 'anna', ['user'], {
      token: token('anna', { roles: ['user'], claims: { username: 'Anna Karenina' } }),
    });
    await world.connect(first, 'operator-7', ['operator', 'user']);
    // Names of what every object inherits, and a number, which an object would put first.
    for (const odd of ['__proto__', 'constructor', '42', 'ж %/#']) await world.connect(second, odd);
    const sick = await world.connect(first, 'sick');
    await sick.request('no_such_message');
    const other = await world.connect(second, 'security-only');
    const { subscriptions } = await other.ask('get_subscription_info', {}, 'subscription_info');
    await other.ask('unsubscribe_events', { event_types: [...subscriptions] }, 'subscription_updated');
    await other.ask('subscribe_category', { categories: ['security'] }, 'category_subscription_updated');
  });
  after(() => world.stop());

  const ALL = ['42', '__proto__', 'anna', 'constructor', 'operator-7', 'security-only', 'sick', 'the-admin', 'ж %/#'];
  const users = ({ connections }: AllConnections): string[] => Object.keys(connections).sort();
  const ask = (request: AllConnectionsRequest): Promise<AllConnections> =>
    admin.ask('get_all_connections', request, 'all_connections');

  async function rest(query: string, who = adminToken()): Promise<{ status: number; body: AllConnections }> {
    const response = await fetch(`${second.http}/api/unified/ws/connections${query}`, {
      headers: { authorization: `Bearer ${who}` },
    });
    return { status: response.status, body: (await response.json()) as AllConnections };
  }

  it('a user whose name every object inherits must be in the list like any other, over both ways', async () => {
    const frame = await admin.request('get_all_connections', {});
    expectMessage(frame, 'all_connections');
    const all = await ask({});
    expect(users(all)).to.deep.equal([...ALL].sort());
    expect(all).to.include({ total_count: ALL.length, next_cursor: null });
    expect(all.missing_nodes).to.deep.equal([]);
    expect(users((await rest('')).body)).to.deep.equal(users(all));
  });

  it('a list that disagrees with what a connection itself is told lies to the admin (F4)', async () => {
    const client = await world.connect(second, 'checked');
    const status = await client.ask('get_connection_status', {}, 'connection_status');
    const { connections } = await ask({ filter: { user: 'checked' } });
    const { username, node_id, connection_id, fence, subscriptions, message_count, is_healthy } =
      connections.checked ?? {};
    expect({ username, node_id, connection_id, fence, subscriptions, message_count, is_healthy }).to.deep.equal({
      username: 'checked',
      node_id: 'n2',
      connection_id: status.connection_id,
      fence: status.fence,
      subscriptions: status.subscriptions,
      message_count: status.message_count,
      is_healthy: true,
    });
    await client.close();
    await until(async () => users(await ask({ filter: { user: 'checked' } })).length === 0, { what: 'it is gone' });
  });

  const filters: readonly [string, AllConnectionsRequest['filter'], string, readonly string[]][] = [
    ['part of the user id', { user: 'ANN' }, '?user=ANN', ['anna']],
    ['part of the username', { user: 'karenina' }, '?user=karenina', ['anna']],
    ['role', { role: 'operator' }, '?role=operator', ['operator-7']],
    ['node', { node_id: 'n1' }, '?node_id=n1', ['operator-7', 'sick', 'the-admin']],
    ['health', { healthy: false }, '?healthy=false', ['sick']],
    [
      'category',
      { category: 'security', role: 'user' },
      '?category=security&role=user',
      ALL.filter((user) => user !== 'the-admin'),
    ],
    [
      'category',
      { category: 'dns', role: 'user', node_id: 'n2' },
      '?category=dns&role=user&node_id=n2',
      ['42', '__proto__', 'anna', 'constructor', 'ж %/#'],
    ],
    ['group', { category: 'dns_management', user: 'only' }, '?category=dns_management&user=only', []],
    ['nothing that is there', { role: 'no_such_role' }, '?role=no_such_role', []],
  ];
  for (const [name, filter, query, expected] of filters) {
    it(`filtered by ${name} (${query}), both ways give the same ${expected.length}`, async () => {
      const page = await ask({ filter: filter ?? {} });
      expect(users(page)).to.deep.equal([...expected].sort());
      expect(page.next_cursor).to.equal(null);
      expect(users((await rest(query)).body)).to.deep.equal([...expected].sort());
    });
  }

  it('an unhealthy connection in the list must say why', async () => {
    const { connections } = await ask({ filter: { healthy: false } });
    expect(connections.sick?.health_reasons).to.deep.equal(['errors']);
    expect(connections.sick?.error_count).to.equal(1);
    const health = async () => (await call(first, 'health', { token: adminToken() })).body;
    const body = await until(
      async () => {
        const found = await health();
        return found.nodes.length === 2 && found;
      },
      { what: 'the first has heard of the second' },
    );
    const well = users(await ask({ filter: { healthy: true } })).length;
    expect([body.healthy_connections, body.error_connections], 'as GET /health has it').to.deep.equal([well, 1]);
  });

  it('pages of one, asked now here and now there, must make up the whole and end', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    for (let n = 0; n <= ALL.length; n += 1) {
      const page: AllConnections =
        n % 2 === 0
          ? await ask({ limit: 1, ...(cursor === null ? {} : { cursor }) })
          : (await rest(`?limit=1&cursor=${cursor}`)).body;
      expect(users(page)).to.have.length.at.most(1);
      seen.push(...users(page));
      cursor = page.next_cursor;
      if (cursor === null) break;
    }
    expect(cursor).to.equal(null);
    expect(seen.sort()).to.deep.equal([...ALL].sort());
  });

  it('a cursor that is none, a mistyped category or parameter must not pass for an empty list', async () => {
    const wrong: readonly [object, string, string][] = [
      [{ cursor: 'nonsense' }, '?cursor=nonsense', '/cursor'],
      [{ cursor: '0.' }, '?cursor=0.', '/cursor'],
      [{ limit: 0 }, '?limit=0', '/limit'],
      [{ limit: 201 }, '?limit=201', '/limit'],
      [{ filter: { category: 'securty' } }, '?category=securty', '/filter/category'],
      [{ filter: { healthy: 'yes' } }, '?healthy=yes', '/filter/healthy'],
      [{ filter: { role: '' } }, '?role=', '/filter/role'],
    ];
    for (const [data, query, path] of wrong) {
      const answer = await admin.request('get_all_connections', data);
      expectMessage(answer, 'validation_error');
      expect((answer.data.errors as { path: string }[])[0]?.path).to.equal(path);
      const { status, body } = await rest(query);
      expect(status, query).to.equal(400);
      const { code, errors } = body as unknown as { code: string; errors: { path: string }[] };
      expect(code).to.equal('VALIDATION_ERROR');
      expect(errors[0]?.path, query).to.equal(path.replace('/filter', ''));
    }
    expect((await rest('?rol=admin')).status).to.equal(400);
  });

  it('a list without the permission would tell anybody who is online (F18, F23)', async () => {
    const { status, body } = await rest('', token('somebody'));
    expect(status).to.equal(403);
    expect(body).to.not.have.property('connections');
  });

  // Seen to fail when the nodes are those that this one has heard of, not those of Redis.
  it('a node that does not answer must be named, also when it alone is asked for, and in time', async () => {
    const redis = world.redis.client();
    await redis.hset('uws:nodes', 'silent.abc', '1');
    const startedAt = performance.now();
    const page = await ask({});
    expect(performance.now() - startedAt).to.be.below(1500);
    expect(page.missing_nodes, 'known to Redis before this node has heard of it').to.deep.equal(['silent']);
    expect(users(page)).to.deep.equal([...ALL].sort());
    const alone = await ask({ filter: { node_id: 'silent' } });
    expect(alone).to.deep.equal({ connections: {}, total_count: 0, next_cursor: null, missing_nodes: ['silent'] });
    await redis.hset('uws:nodes', 'silent.abc', 'ended');
    expect((await ask({})).missing_nodes, 'it ended in good order').to.deep.equal([]);
    expect((await ask({ filter: { node_id: 'nobody' } })).missing_nodes).to.deep.equal(['nobody']);
  });
});
