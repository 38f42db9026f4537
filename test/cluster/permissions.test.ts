import { expect } from 'chai';
import { until } from '../support/wait.js';
import { ClusterWorld } from './world.js';

describe('permissions-changed across processes', function () {
  this.timeout(30_000);
  let world: ClusterWorld;

  before(async () => {
    world = await ClusterWorld.start();
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  const order = (user: string) =>
    world.rest(world.node(0), 'POST', `/users/${user}/permissions-changed`, { roles: ['user'] });

  it('an owner that does not answer must be named in time, and obey as soon as it wakes', async () => {
    const user = world.user();
    const client = await world.connect(world.node(1), user, { roles: ['admin'] });
    world.node(1).pause();
    const startedAt = performance.now();
    const { status, body } = await order(user);
    expect(performance.now() - startedAt).to.be.lessThan(2500);
    world.node(1).resume();
    expect(status).to.equal(200);
    expect(body).to.include({ result: 'node_unreachable', node_id: 'n2' });
    const woken = performance.now();
    const reported = await client.waitFor('subscription_updated', ({ data }) => data.reason === 'permissions_changed');
    expect(performance.now() - woken).to.be.lessThan(1000);
    expect(reported.data.subscriptions).to.not.include('user_login');
  });

  it('a user who leaves an owner that hangs must be followed to the new one (C14)', async () => {
    const user = world.user();
    await world.connect(world.node(1), user, { roles: ['admin'], client: 'device.1' });
    world.node(1).pause();
    try {
      const answered = order(user);
      await until(() => world.store.hget(`uws:{u:${user}}:revoked`, 'roles'), { what: 'the order is stored' });
      const moved = await world.connect(world.node(2), user, { roles: ['admin'], client: 'device.2' });
      const { body } = await answered;
      expect(body).to.include({ result: 'applied', node_id: 'n3' });
      const { subscriptions } = await moved.ask('get_subscription_info', {}, 'subscription_info');
      expect(subscriptions).to.include('zone_created').and.not.include('user_login');
    } finally {
      world.node(1).resume();
    }
  });
});
