import { expect } from 'chai';
import { LegacyClient } from '../support/legacyClient.js';
import { token } from '../support/tokens.js';
import { ClusterWorld } from './world.js';

const ORDERS = 30;

describe('legacy connections across processes', function () {
  this.timeout(60_000);
  let world: ClusterWorld;
  const clients: LegacyClient[] = [];

  before(async () => {
    world = await ClusterWorld.start({ nodes: 2, env: { LEGACY_ENDPOINTS: 'true', LOG_LEVEL: 'info' } });
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.terminate();
    world.endClients();
  });
  after(() => world.stop());

  async function connect(node: number, user: string, roles: readonly string[] = ['user']): Promise<LegacyClient> {
    const issued = token(user, { roles, claims: { iat: Math.floor(Date.now() / 1000) - 10 } });
    const client = new LegacyClient(world.node(node).ws, 'system', { token: issued });
    clients.push(client);
    await client.established();
    return client;
  }

  const order = (path: string, body: object = {}) => world.rest(world.node(0), 'POST', path, body);

  /** Orders given on one node for users whose connections are on the other; each takes effect before the next is given. */
  async function measure(
    what: string,
    give: (user: string) => Promise<unknown>,
    effect: (client: LegacyClient) => Promise<unknown>,
  ): Promise<void> {
    const users = Array.from({ length: ORDERS }, () => world.user());
    const connected = await Promise.all(users.map((user) => connect(1, user, ['admin'])));
    const answers: Promise<unknown>[] = [];
    const took: number[] = [];
    for (const [n, client] of connected.entries()) {
      const startedAt = performance.now();
      answers.push(give(users[n] ?? ''));
      await effect(client);
      took.push(performance.now() - startedAt);
    }
    await Promise.all(answers);
    took.sort((a, b) => a - b);
    const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(share * took.length))] ?? 0;
    console.log(`      ${what}: p50 ${at(0.5).toFixed(1)} ms, p99 ${at(0.99).toFixed(1)} ms of ${took.length}`);
    expect(at(0.99), what).to.be.lessThan(1000);
  }

  it('an order that takes longer than a second to reach an old client leaves a stolen session at work (G8)', async () => {
    const ended = async (client: LegacyClient): Promise<void> => {
      expect((await client.closed()).code).to.equal(1008);
    };
    // The first request of this process is slower than any other.
    await world.rest(world.node(0), 'GET', '/stats');
    await measure('disconnect', (user) => order(`/disconnect/${user}`), ended);
    await measure('ban', (user) => order(`/disconnect/${user}`, { ban_seconds: 60 }), ended);
    await measure('revoke', (user) => order(`/users/${user}/revoke`), ended);
    await measure(
      'role withdrawn',
      (user) => order(`/users/${user}/permissions-changed`, { roles: ['user'] }),
      (client) => client.waitFor('subscription_updated'),
    );
    await measure(
      'replaced on the other node',
      (user) => connect(0, user),
      async (client) => expect((await client.closed()).code).to.equal(1000),
    );
  });

  it('a user whose old client is on one node and whose new one is on the other must keep both, and get each event on each', async () => {
    const user = world.user();
    const old = await connect(0, user);
    const unified = await world.connect(world.node(1), user);
    const again = await world.connect(world.node(0), user);
    expect((await unified.closed()).code).to.equal(4001);
    await world.rest(world.node(1), 'POST', '/events', { event_type: 'system_status', data: { n: 1 } });
    expect((await old.waitFor('system_status')).data).to.deep.equal({ n: 1 });
    expect((await again.waitFor('system_status')).data).to.deep.equal({ n: 1 });
    expect(old.isOpen).to.equal(true);
  });

  it('a node that hangs must be named in time, and its old client ended when it wakes (C15)', async () => {
    const user = world.user();
    const client = await connect(1, user);
    world.node(1).pause();
    const { body } = await order(`/disconnect/${user}`);
    expect(body).to.include({ result: 'node_unreachable', node_id: 'n2' });
    expect(body.took_ms).to.be.lessThan(2500);
    world.node(1).resume();
    expect((await client.closed()).code).to.equal(1008);
  });
});
