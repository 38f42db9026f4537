import type { AnyEvent } from '@unified-ws/client';
import { expect } from 'chai';
import { until } from '../../support/wait.js';
import { publish, SdkClients } from '../support/sdkClients.js';
import { type LocalNode, World } from '../support/world.js';

describe('the first steps with a client', function () {
  this.timeout(20_000);
  const world = new World();
  const clients = new SdkClients();
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node();
  });
  afterEach(() => clients.close());
  after(() => world.stop());

  it('a handler alone must be enough to connect, subscribe and receive', async () => {
    const { client, errors } = clients.make(node, world.user());
    expect(client.state.status).to.equal('idle');
    const events: AnyEvent[] = [];
    client.on('zone_imported', (event) => {
      events.push(event);
    });
    await client.ready();
    expect(client.state.status).to.equal('connected');
    await publish(node, 'zone_imported', { zone: 'example.org' });
    await until(() => events.length > 0, { what: 'the event' });
    expect(events.map(({ type, data }) => [type, data])).to.deep.equal([['zone_imported', { zone: 'example.org' }]]);
    expect(errors).to.deep.equal([]);
  });

  it('the server must keep no more subscriptions than there are handlers', async () => {
    const { client } = clients.make(node, world.user());
    const off = client.on('health_update', () => undefined);
    client.on(['zone_created', 'zone_deleted'], () => undefined);
    await client.ready();
    const { subscriptions } = await client.request('get_subscription_info');
    expect([...subscriptions].sort()).to.deep.equal(['health_update', 'zone_created', 'zone_deleted']);
    off();
    await client.ready();
    const later = await client.request('get_subscription_info');
    expect([...later.subscriptions].sort()).to.deep.equal(['zone_created', 'zone_deleted']);
  });

  it('events for the user alone must be acknowledged once the handler is done, and not before', async () => {
    const user = world.user();
    const { client } = clients.make(node, user);
    let finish = (): void => undefined;
    let calls = 0;
    client.on('notification_sent', () => {
      calls += 1;
      return new Promise<void>((resolve) => {
        finish = resolve;
      });
    });
    await client.ready();
    await publish(node, 'notification_sent', { text: 'shipped' }, { target_user_ids: [user] });
    await until(() => calls === 1, { what: 'the event' });
    await client.request('ping');
    expect(client.report().counts.acks).to.equal(undefined);
    finish();
    await until(() => client.report().counts.acks === 1, { what: 'the acknowledgement' });
  });

  it('an event that came while the client was away must be handed over once, in order', async () => {
    const { client, sockets } = clients.make(node, world.user());
    const got: unknown[] = [];
    client.on('custom_event', ({ data }) => {
      got.push(data.n);
    });
    await client.ready();
    await publish(node, 'custom_event', { n: 1 });
    await until(() => got.length === 1, { what: 'the first event' });
    sockets[0]?.terminate();
    await until(() => client.state.status === 'reconnecting', { what: 'the end of the connection' });
    await publish(node, 'custom_event', { n: 2 });
    await publish(node, 'custom_event', { n: 3 });
    await until(() => got.length === 3, { what: 'what was missed' });
    expect(got).to.deep.equal([1, 2, 3]);
    expect(client.report().counts).to.include({ connections: 2, events: 3 }).and.not.have.any.keys('gaps', 'repeats');
  });

  it('a loop over events must get them as handlers do, and end with the client', async () => {
    const { client } = clients.make(node, world.user());
    const got: unknown[] = [];
    const loop = (async () => {
      for await (const event of client.events('zone_*')) got.push([event.type, event.data.n]);
    })();
    await client.ready();
    await publish(node, 'zone_created', { n: 1 }, { ordering_key: 'one' });
    await publish(node, 'zone_deleted', { n: 2 }, { ordering_key: 'one' });
    await until(() => got.length === 2, { what: 'the events' });
    client.close();
    await loop;
    expect(got).to.deep.equal([
      ['zone_created', 1],
      ['zone_deleted', 2],
    ]);
  });
});
