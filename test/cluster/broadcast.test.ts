import { expect } from 'chai';
import { until } from '../support/wait.js';
import { ClusterWorld } from './world.js';

describe('a broadcast over three nodes', function () {
  this.timeout(30_000);
  let world: ClusterWorld;

  before(async () => {
    world = await ClusterWorld.start();
  });
  after(() => world.stop());

  it('reaches subscribers on every node once, and neither a non-subscriber nor a user without the permission', async () => {
    const [first, second, third] = [world.node(0), world.node(1), world.node(2)];
    const here = await world.connect(first, world.user());
    const there = await world.connect(second, world.user());
    const dropped = await world.connect(third, world.user());
    const powerless = await world.connect(second, world.user(), { roles: ['nobody'] });
    await dropped.request('unsubscribe_events', { event_types: ['zone_created'] });
    // What everybody but `powerless` gets, after the event in question: who has it has seen all before it.
    const { status, body } = await world.rest(third, 'POST', '/broadcast', {
      event_type: 'zone_created',
      data: { zone_name: 'example.org' },
      ordering_key: 'one',
    });
    expect(status).to.equal(202);
    await world.rest(third, 'POST', '/broadcast', { event_type: 'health_update', data: {}, ordering_key: 'one' });
    for (const client of [here, there, dropped]) {
      await until(() => client.events.some((event) => event.type === 'health_update'), { what: 'the later event' });
    }
    for (const client of [here, there]) {
      expect(client.events.map(({ id, type }) => [id, type])[0]).to.deep.equal([body.event_id, 'zone_created']);
      expect(client.events).to.have.length(2);
    }
    expect(dropped.events.map((event) => event.type)).to.deep.equal(['health_update']);
    expect(powerless.events).to.deep.equal([]);
    expect(
      (await powerless.ask('subscribe_events', { event_types: ['zone_created'] }, 'subscription_updated')).errors,
    ).to.deep.equal([{ event_type: 'zone_created', error: 'permission_denied' }]);
  });

  it('of an admin type is not seen by a user who asks for it', async () => {
    const user = await world.connect(world.node(0), world.user());
    const admin = await world.connect(world.node(1), world.user(), { roles: ['admin'] });
    await user.request('subscribe_events', { event_types: ['user_login', 'zone_updated'] });
    await world.rest(world.node(2), 'POST', '/broadcast', { event_type: 'user_login', data: {}, ordering_key: 'two' });
    await world.rest(world.node(2), 'POST', '/broadcast', {
      event_type: 'zone_updated',
      data: {},
      ordering_key: 'two',
    });
    for (const client of [user, admin]) {
      await until(() => client.events.some((event) => event.type === 'zone_updated'), { what: 'the later event' });
    }
    expect(user.events.map((event) => event.type)).to.deep.equal(['zone_updated']);
    expect(admin.events.map((event) => event.type)).to.deep.equal(['user_login', 'zone_updated']);
  });
});
