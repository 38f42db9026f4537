import { expect } from 'chai';
import { RawClient } from '../support/rawClient.js';
import { token } from '../support/tokens.js';
import { until } from '../support/wait.js';
import { ClusterWorld } from './world.js';

const COMMAND_TIMEOUT_MS = 2000;

describe('an order to disconnect (G4)', function () {
  this.timeout(40_000);
  let world: ClusterWorld;

  before(async () => {
    world = await ClusterWorld.start();
  });
  afterEach(async () => {
    world.endClients();
    // A test that failed may have left it paused.
    world.node(2).resume();
    await world.cluster.ready();
  });
  after(() => world.stop());

  /** Listens to what nodes tell the one of this lease; whether a message of the kind has come yet. */
  async function messageTo(lease: string, kind: string): Promise<() => boolean> {
    const listener = world.redis.client();
    let heard = false;
    listener.on('message', (_channel, text) => {
      heard ||= (JSON.parse(text) as { t: string }).t === kind;
    });
    await listener.subscribe(`uws:n:${lease}`);
    return () => heard;
  }

  it('given on one node ends the connection on another and names that node', async () => {
    const user = world.user();
    const client = await world.connect(world.node(2), user);
    const [last = '-'] = (await world.store.xrevrange('uws:audit', '+', '-', 'COUNT', 1))[0] ?? [];
    const { status, body } = await world.rest(world.node(0), 'POST', `/disconnect/${user}`, { reason: 'moved out' });
    expect(status).to.equal(200);
    expect(body).to.include({ user_id: user, result: 'closed', node_id: 'n3', reason: 'moved out' });
    expect(await client.closed()).to.include({ code: 4002, reason: 'moved out' });
    await until(async () => (await world.entry(user)).conn === '', { what: 'the entry is released' });
    const again = await world.rest(world.node(1), 'POST', `/disconnect/${user}`);
    expect(again.body).to.include({ result: 'not_connected', node_id: null });
    const stranger = await world.rest(world.node(1), 'POST', '/disconnect/nobody-at-all');
    expect(stranger.body).to.include({ result: 'not_connected', node_id: null });
    // An answer does not wait for its record.
    const audit = await until(
      async () => {
        const entries = await world.store.xrange('uws:audit', last === '-' ? last : `(${last}`, '+');
        const records = entries.filter(([, fields]) => fields.includes('of'));
        return records.length >= 3 && records;
      },
      { what: 'three records' },
    );
    expect(audit.map(([, fields]) => fields[fields.indexOf('result') + 1])).to.deep.equal([
      'closed',
      'not_connected',
      'not_connected',
    ]);
  });

  // C15. Without kick.lua's tombstone the node that wakes re-claims the user, who is connected again.
  it('to a paused node is answered in time, and is not undone when the node wakes', async () => {
    const user = world.user();
    const client = await world.connect(world.node(2), user);
    world.node(2).pause();
    const startedAt = performance.now();
    const { body } = await world.rest(world.node(0), 'POST', `/disconnect/${user}`);
    expect(performance.now() - startedAt).to.be.lessThan(COMMAND_TIMEOUT_MS + 500);
    expect(body).to.include({ result: 'node_unreachable', node_id: 'n3' });
    expect(body.took_ms).to.be.at.most(COMMAND_TIMEOUT_MS);
    world.node(2).resume();
    expect(await client.closed()).to.include({ code: 4002 });
    expect((await world.entry(user)).conn).to.equal('');
  });

  it('to a paused node whose lease ran out is not undone by its reconcile either', async () => {
    const user = world.user();
    const client = await world.connect(world.node(2), user);
    const lease = (await world.entry(user)).lease ?? '';
    world.node(2).pause();
    const { body } = await world.rest(world.node(0), 'POST', `/disconnect/${user}`);
    expect(body).to.include({ result: 'node_unreachable' });
    const beat = await world.store.hget('uws:nodes', lease);
    // Seven seconds of the lease's life by the other nodes' beats: everybody calls it dead.
    const other = (await world.store.hkeys('uws:nodes')).find((one) => one !== lease) ?? '';
    const beats = async (): Promise<number> => Number.parseInt((await world.store.hget('uws:nodes', other)) ?? '', 10);
    const start = await beats();
    await until(async () => (await beats()) >= start + 8, {
      timeoutMs: 15_000,
      everyMs: 100,
      what: 'eight beats of another node',
    });
    expect(await world.store.hget('uws:nodes', lease)).to.equal(beat);
    world.node(2).resume();
    expect(await client.closed()).to.include({ code: 4002 });
    await world.node(2).ready();
    expect((await world.entry(user)).conn).to.equal('');
  });

  // C14. With the answer to the first command taken for the last word, the user is connected on the second node after "closed".
  it('follows a user who moves while it is on its way', async () => {
    const user = world.user();
    const old = await world.connect(world.node(2), user);
    world.node(2).pause();
    const order = world.rest(world.node(0), 'POST', `/disconnect/${user}`);
    const former = await world.entry(user);
    const moved = world.dial(world.node(1), user);
    await until(async () => (await world.entry(user)).conn !== former.conn, { what: 'the user has claimed elsewhere' });
    world.node(2).resume();
    const { body } = await order;
    expect(body).to.include({ result: 'closed' });
    expect((await moved.closed()).code).to.equal(4002);
    expect([4001, 4002]).to.include((await old.closed()).code);
    await until(async () => (await world.entry(user)).conn === '', { what: 'nobody is connected' });
  });

  // The paused node would use up the time for the answer, and the user's live connection be reported unreachable and stay open.
  it('follows a user who has left a paused node, without waiting for that node', async () => {
    const user = world.user();
    const old = await world.connect(world.node(2), user, { client: 'device-one.1' });
    world.node(2).pause();
    const ordered = await messageTo((await world.entry(user)).lease ?? '', 'request');
    const order = world.rest(world.node(0), 'POST', `/disconnect/${user}`, { reason: 'out' });
    await until(ordered, { what: 'the order is on its way to the paused node' });
    const moved = await world.connect(world.node(1), user, { client: 'device-one.2' });
    const { body } = await order;
    expect(body).to.include({ result: 'closed', node_id: 'n2' });
    expect(body.took_ms).to.be.lessThan(1000);
    expect(await moved.closed()).to.include({ code: 4002, reason: 'out' });
    world.node(2).resume();
    // The order lies before the evict in what the node has not read yet.
    expect((await old.closed()).code).to.equal(4002);
    await world.node(2).ready();
    expect((await world.entry(user)).conn).to.equal('');
  });

  it('with a ban keeps the user out on every node until the ban ends', async () => {
    const user = world.user();
    const client = await world.connect(world.node(1), user);
    const { body } = await world.rest(world.node(0), 'POST', `/disconnect/${user}`, { ban_seconds: 2 });
    expect(body).to.include({ result: 'closed', node_id: 'n2' });
    expect((await client.closed()).code).to.equal(4003);
    const refused = world.dial(world.node(2), user);
    expect((await refused.closed()).code).to.equal(4003);
    expect(refused.frames.map((frame) => frame.data.error_code)).to.deep.equal(['TOKEN_REVOKED']);
    await until(
      async () => {
        const next = world.dial(world.node(2), user);
        await Promise.race([next.closed(), next.established()]).catch(() => undefined);
        return next.establishedData !== null;
      },
      { timeoutMs: 10_000, everyMs: 200, what: 'the ban is over' },
    );
  });
});

describe('a peer that never answers a close frame', function () {
  this.timeout(20_000);
  let world: ClusterWorld;

  before(async () => {
    world = await ClusterWorld.start();
  });
  after(() => world.stop());

  // F2 of the predecessor: it held a lock over the close and froze every connect for 20 s.
  it('delays neither its own successor nor anybody else', async () => {
    const user = world.user();
    const stubborn = await RawClient.open(world.node(0).port, { token: token(user) });
    await stubborn.waitFor('connection_established');
    const startedAt = performance.now();
    await Promise.all([
      world.connect(world.node(1), user),
      ...Array.from({ length: 20 }, (_, n) => world.connect(world.node(n % 3), world.user())),
    ]);
    expect(performance.now() - startedAt).to.be.lessThan(1500);
    expect(await stubborn.closed()).to.equal(4001);
    // Its TCP connection is ended for it (2 s).
    await stubborn.gone(4000);
  });
});

describe('a node that stops in good order', function () {
  this.timeout(30_000);
  let world: ClusterWorld;

  before(async () => {
    world = await ClusterWorld.start();
  });
  after(() => world.stop());

  it('hands its users over at once: nobody waits for its lease', async () => {
    const users = Array.from({ length: 20 }, () => world.user());
    const clients = await Promise.all(users.map((user) => world.connect(world.node(0), user)));
    const stopping = world.node(0).stop();
    const endings = await Promise.all(clients.map((client) => client.closed()));
    for (const { code, reason } of endings) {
      expect(code).to.equal(4200);
      expect(reason).to.match(/^reconnect_after_ms=\d+$/);
    }
    const startedAt = performance.now();
    await Promise.all(users.map((user, n) => world.connect(world.node(1 + (n % 2)), user)));
    expect(performance.now() - startedAt).to.be.lessThan(2000);
    expect(await stopping).to.equal(0);
  });
});
