import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { until } from '../../support/wait.js';
import { storedEvent } from '../support/events.js';
import { expectMessage } from '../support/schemas.js';
import { type LocalNode, World } from '../support/world.js';

describe('ephemeral events', function () {
  this.timeout(10_000);
  const world = new World();
  let one: LocalNode;
  let two: LocalNode;
  let admin: TestClient;

  before(async () => {
    await world.start();
    [one, two] = await Promise.all([world.node({ NODE_ID: 'one' }), world.node({ NODE_ID: 'two' })]);
  });
  beforeEach(async () => {
    admin = await world.admin(one);
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  const publish = (data: Record<string, unknown>, more: Record<string, unknown> = {}) =>
    admin.ask('publish_event', { event_type: 'custom_event', delivery: 'ephemeral', data, ...more }, 'event_accepted');

  const numbers = (client: TestClient): unknown[] => client.events.map((frame) => frame.data.n);

  /** Everything published before has arrived at the client, or never will: one channel keeps its order. */
  async function settled(client: TestClient): Promise<void> {
    const mark = world.user('mark');
    await publish({ mark });
    await client.waitFor('custom_event', (frame) => frame.data.mark === mark);
  }

  /** Fields of the node's metrics. */
  async function metric(node: LocalNode, name: string): Promise<number> {
    const text = await (await fetch(`${node.http}/metrics`)).text();
    const line = text.split('\n').find((row) => row.startsWith(`${name} `));
    return Number(line?.split(' ').at(-1));
  }

  it('a broadcast must reach the subscribers on every node, without a position, and leave nothing behind', async () => {
    const clients = await Promise.all([world.connect(one), world.connect(two)]);
    const redis = world.redis.client();
    const head = await redis.hget('uws:{log}:meta', 'offset');
    const receipt = await publish({ n: 1 }, { conflation_key: 'k', priority: 'high', metadata: { trace: 'x' } });
    expect(receipt).to.deep.equal({
      event_id: receipt.event_id,
      queue: 'ephemeral',
      duplicate: false,
      payload_differs: false,
    });
    for (const client of clients) {
      const frame = await client.waitFor('custom_event', ({ id }) => id === receipt.event_id);
      expect(frame).to.deep.include({ scope: 'broadcast', position: null, priority: 'high', data: { n: 1 } });
      // What publishers say to nodes is nobody else's business.
      expect(frame).to.not.have.property('conflation_key');
    }
    expect(await redis.hget('uws:{log}:meta', 'offset'), 'the log').to.equal(head);
    const jobs = await redis.keys('{uws:q*:*:*wait*');
    expect(jobs, 'the queues').to.deep.equal([]);
    // At most once: what was not there is not kept for it.
    const late = await world.connect(two);
    await settled(late);
    expect(numbers(late)).to.not.include(1);
  });

  it('a targeted one must reach its users, wherever they are, and nobody else', async () => {
    const [ann, ben, eve] = [world.user('ann'), world.user('Ben / ü'), world.user('eve')];
    const here = await world.connect(one, ann);
    const there = await world.connect(two, ben);
    const others = await Promise.all([world.connect(one, eve), world.connect(two)]);
    const receipt = await publish({ n: 1 }, { target_user_ids: [ann, ben, ben, 'nobody'] });
    for (const client of [here, there]) {
      const frame = await client.waitFor('custom_event', ({ id }) => id === receipt.event_id);
      expect(frame).to.deep.include({ scope: 'user', position: null });
    }
    for (const client of [here, there, ...others]) await settled(client);
    expect(numbers(here).filter((n) => n === 1)).to.deep.equal([1]);
    expect(numbers(there).filter((n) => n === 1)).to.deep.equal([1]);
    for (const client of others) expect(numbers(client)).to.not.include(1);
  });

  it('subscriptions, permissions, roles, exclude and sensitive fields hold for them as for all others', async () => {
    const user = world.user();
    const client = await world.connect(one, user);
    await client.ask('unsubscribe_events', { event_types: ['zone_created'] }, 'subscription_updated');
    await publish({ n: 1 }, { event_type: 'zone_created' });
    await publish({ n: 2 }, { event_type: 'zone_created', target_user_ids: [user] });
    await publish({ n: 3 }, { exclude: [user] });
    await publish({ n: 4 }, { roles: ['admin'] });
    await publish({ n: 5 }, { permission: 'events:admin', target_user_ids: [user] });
    await publish({ n: 6, api_key: 'x' }, { event_type: 'security_alert', target_user_ids: [user] });
    await publish({ n: 7, api_key: 'x' }, { event_type: 'security_alert' });
    await settled(client);
    await until(() => numbers(client).includes(6), { what: 'the targeted one' });
    expect(client.events.filter((frame) => 'n' in frame.data).map((frame) => frame.data)).to.have.deep.members([
      { n: 6 },
      { n: 7 },
    ]);
  });

  it('what is said about a key within one flush must be the latest alone, and what has no key is kept', async () => {
    const client = await world.connect(two);
    const before = await metric(two, 'uws_ephemeral_conflated_total');
    // What a node makes of the publishes of one turn.
    const events = Array.from({ length: 50 }, (_, index) => {
      const n = index + 1;
      return storedEvent({ n }, n % 10 === 0 ? {} : { conflation_key: 'cursor' });
    });
    await world.redis.client().publish('uws:ev', JSON.stringify({ ephemeral: events }));
    await client.waitFor('custom_event', (frame) => frame.data.n === 50);
    await settled(client);
    expect(numbers(client).filter((n) => n !== undefined)).to.have.members([10, 20, 30, 40, 49, 50]);
    expect(await metric(two, 'uws_ephemeral_conflated_total')).to.equal(before + 44);
  });

  it('over the rate of its type a value must wait, and none without a key gets through', async () => {
    const client = await world.connect(one);
    // system_status: 5 a minute.
    const status = { event_type: 'system_status', conflation_key: 'k' };
    for (let n = 1; n <= 5; n += 1) await publish({ n }, status);
    await publish({ n: 6 }, { event_type: 'system_status' });
    await settled(client);
    expect(numbers(client).filter((n) => n !== undefined)).to.deep.equal([1]);
    expect(await metric(one, 'uws_ephemeral_dropped_total{reason="rate"}')).to.equal(1);
  });

  it('an event that can be no conflation key, or is to come later, must be refused with the place', async () => {
    const refused = await admin.request('publish_event', {
      event_type: 'custom_event',
      delivery: 'ephemeral',
      data: {},
      delay_ms: 5,
    });
    expectMessage(refused, 'validation_error');
    expect(refused.data.errors).to.have.nested.property('[0].path', '/delay_ms');
  });

  it('a publish that Redis did not take must not be accepted', async () => {
    world.redis.pause();
    try {
      const answer = await admin.request('publish_event', {
        event_type: 'custom_event',
        delivery: 'ephemeral',
        data: {},
      });
      expect(answer.data).to.include({ error_code: 'UNAVAILABLE' });
    } finally {
      world.redis.resume();
    }
    await until(async () => (await one.readiness()) === 200, { what: 'the node serves', timeoutMs: 9000 });
  });
});
