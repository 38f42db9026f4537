import { setTimeout as sleep } from 'node:timers/promises';
import { REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import { check, describeVerdict, figures, settled } from '../chaos/support/delivery.js';
import { DeliveryWorld } from '../chaos/support/deliveryWorld.js';
import { Ledger } from '../chaos/support/ledger.js';
import { Random } from '../chaos/support/random.js';
import { all } from '../chaos/support/rounds.js';
import { User } from '../chaos/support/user.js';
import { type Strictness, verify, type Watched } from '../chaos/support/verdict.js';
import { readEntry } from '../chaos/support/world.js';
import { TestClient } from '../support/client.js';
import { CURRENT_MAIN, type NodeProcess } from '../support/cluster.js';
import { buildOldServer } from '../support/oldBuild.js';
import { adminToken, token } from '../support/tokens.js';

const SEED = 9;
const NODES = 4;
/** At the start and at the end the first two are old, the others new. */
const OLD_NODES = [0, 1];
const NEW_NODES = [2, 3];
const CLIENTS = 10;
const RATE = 80;
/** Half of the events are for one user each. */
const TARGETED = 0.5;
/** Their devices fight for the one connection while nodes are replaced. */
const FIGHTERS = 8;
const STRICT: Strictness = { faultless: false, toleranceMs: 0, settleWithinMs: 25_000 };
/** From the first burst of a round to the last: while the node drains, is away, and comes back. */
const BURSTS_WITHIN_MS = 2500;

describe('old and new nodes in one cluster', function () {
  this.timeout(180_000);
  const ledger = new Ledger();
  const clients: TestClient[] = [];
  let old: string;
  let world: DeliveryWorld;

  before(async () => {
    old = await buildOldServer();
    world = await DeliveryWorld.start({
      seed: SEED,
      clients: CLIENTS,
      rate: RATE,
      targeted: TARGETED,
      nodes: NODES,
      main: (node) => (OLD_NODES.includes(node) ? old : CURRENT_MAIN),
      // The ledger reads of every flush. On a slow machine a client may be away for long: nothing is to be trimmed meanwhile.
      env: { LOG_LEVEL: 'trace', DRAIN_MS: '1000', MAILBOX_SIZE: '10000' },
      onRecord: (node, record) => ledger.take(node, record),
    });
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.terminate();
  });
  after(() => world?.stop());

  async function connect(node: NodeProcess, user: string, roles = ['user']): Promise<TestClient> {
    const client = new TestClient(node.ws, { token: token(user, { roles }) });
    clients.push(client);
    await client.established();
    return client;
  }

  async function post(node: NodeProcess, path: string, body: unknown = {}): Promise<Record<string, unknown>> {
    const response = await fetch(`${node.http}${REST_BASE}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken()}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, ...((await response.json()) as object) };
  }

  for (const [from, to, a, b] of [
    ['old', 'new', 0, 2],
    ['new', 'old', 2, 0],
  ] as const) {
    it(`what a node of the ${from} build orders and publishes is obeyed and delivered by one of the ${to} build`, async () => {
      const [asked, owner] = [world.cluster.node(a), world.cluster.node(b)];
      const user = `anna-${from}`;
      const before = await connect(asked, user, ['admin']);
      const client = await connect(owner, user, ['admin']);
      expect((await before.closed()).code).to.equal(4001);

      const target_user_ids = [user];
      const event = { event_type: 'notification_sent', data: { from }, target_user_ids };
      expect(await post(asked, '/events', event)).to.include({ status: 202 });
      const { position } = await client.waitFor('notification_sent');
      client.send('ack', { user: position });
      expect(await post(asked, '/broadcast', { event_type: 'zone_created', data: { from } })).to.include({
        status: 202,
      });
      await client.waitFor('zone_created', ({ data }) => data.from === from);

      // Whoever appended it, the other build knows the id: of the log, and of a mailbox.
      for (const targets of [{}, { target_user_ids }]) {
        const once = {
          event_type: 'custom_event',
          id: `once-${from}-${Object.keys(targets).length}`,
          data: {},
          ...targets,
        };
        const first = await post(asked, '/events', once);
        await client.waitFor('custom_event', ({ id }) => id === first.event_id);
        for (const node of world.cluster.nodes) {
          expect(await post(node, '/events', once)).to.include({ event_id: first.event_id, duplicate: true });
        }
      }

      const changed = await post(asked, `/users/${user}/permissions-changed`, { roles: ['user'] });
      expect(changed).to.include({ status: 200, result: 'applied', node_id: owner.id });
      await client.waitFor('subscription_updated', ({ data }) => data.reason === 'permissions_changed');
      const ended = await post(asked, `/disconnect/${user}`);
      expect(ended).to.include({ result: 'closed', node_id: owner.id });
      expect((await client.closed()).code).to.equal(4002);

      const admin = await connect(asked, `admin-${from}`, ['admin']);
      const waiting = await connect(owner, `bert-${from}`);
      await admin.ask('pause_event_queue', {}, 'event_queue_paused');
      await post(owner, '/broadcast', { event_type: 'zone_updated', data: { from } });
      const other = await connect(owner, `admin-2-${from}`, ['admin']);
      expect(await other.ask('get_event_queue_status', {}, 'event_queue_status')).to.include({ paused: true });
      await other.ask('resume_event_queue', {}, 'event_queue_resumed');
      await waiting.waitFor('zone_updated', ({ data }) => data.from === from);
    });
  }

  it('a rolling restart to the new build and back loses nothing, delivers nothing twice, and leaves each user one connection', async () => {
    const random = new Random(SEED);
    const users = Array.from(
      { length: FIGHTERS },
      (_, index) => new User(`fighter-${index}`, world.cluster.nodes, random.fork(index)),
    );
    const watched: Watched = {
      random: world.random,
      cluster: world.cluster,
      ledger,
      actions: [],
      entry: (user) => readEntry(world.store, user),
      complaints: () => world.complaints(),
    };
    const bursts = async (user: User): Promise<void> => {
      user.nextRound();
      await sleep(user.random.int(0, BURSTS_WITHIN_MS));
      await user.burst();
    };
    /** One node gets the other build while users' devices fight; then each has one connection, on a node of whatever build. */
    const replace = async (index: number, main: string, how: 'stop' | 'kill9' = 'stop'): Promise<void> => {
      const node = world.cluster.node(index);
      const restart = async (): Promise<void> => {
        await node[how]();
        if (how === 'kill9') ledger.killed(index);
        await world.cluster.restart(index, main);
        watched.actions.push(`${node.id} runs ${main}`);
      };
      await all([restart(), ...users.map(bursts)]);
      await world.cluster.ready();
      await all(users.map((user) => verify(watched, user, STRICT)));
    };

    const published = world.source.publish();
    try {
      for (const index of OLD_NODES) await replace(index, CURRENT_MAIN);
      for (const index of [...NEW_NODES, ...OLD_NODES]) await replace(index, old);
      // The jobs and the lease of a dead one are taken up by nodes of the other build too.
      for (const index of NEW_NODES) await replace(index, CURRENT_MAIN, 'kill9');
    } finally {
      world.source.stop();
      await Promise.all(users.map((user) => user.stop()));
    }
    await published;
    await settled(world);
    const verdict = check(world);
    console.log(`      ${figures(world, verdict)}`);
    expect([...verdict.lost, ...verdict.violations], describeVerdict(world, verdict)).to.deep.equal([]);
    expect(verdict.reported, describeVerdict(world, verdict)).to.equal(0);
    expect(ledger.violations).to.deep.equal([]);
    expect(world.source.accepted.length).to.be.above(RATE);
  });
});
