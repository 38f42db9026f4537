import { parsePosition } from '@unified-ws/protocol';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import { OPCODE } from '../../support/rawClient.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { call, type Json } from '../../unit/server/http/support.js';
import { logOf, storedEvent } from '../support/events.js';
import { expectMessage } from '../support/schemas.js';
import { type LocalNode, World } from '../support/world.js';

describe('liveness', function () {
  this.timeout(10_000);
  const world = new World();
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node({ HEARTBEAT_INTERVAL_MS: '100', PING_INTERVAL_MS: '150', PING_TIMEOUT_MS: '200' });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  it('a heartbeat without the position lets a client that receives rarely age out of the log (L4, L6)', async () => {
    const client = await world.connect(node);
    const first = await client.waitFor('heartbeat');
    expectMessage(first, 'heartbeat');
    expect(first.data.connection_healthy).to.equal(true);
    expect(first.data.positions).to.deep.equal(client.establishedData?.positions);
    // Not subscribed to: nothing comes but the position.
    const [at] = (await logOf(world.redis).append([storedEvent({}, { type: 'zone_imported' })])).offsets;
    const later = await client.waitFor('heartbeat', ({ data }) => {
      const { broadcast } = data.positions as { broadcast: string };
      return parsePosition(broadcast)?.offset === at;
    });
    expect(client.events).to.deep.equal([]);
    expect(later.data.positions).to.include({ user: null });
  });

  // Seen red with a constant: the predecessor's heartbeat always said so too, and so did its pong.
  it('a heartbeat that calls every connection healthy tells nothing, nor one that disagrees with health_check', async () => {
    const client = await world.connect(node);
    const next = async (): Promise<unknown> => {
      const seen = client.frames.length;
      const beat = () => client.frames.slice(seen).find(({ type }) => type === 'heartbeat');
      return (await until(beat, { what: 'the next heartbeat' })).data.connection_healthy;
    };
    expect(await next()).to.equal(true);
    await client.request('no_such_type');
    expect(await next(), 'as health_check would say').to.equal(false);
    const { data } = await client.request('health_check');
    expect(data).to.deep.include({ connection_healthy: false, health_reasons: ['errors'] });
    expect(await next(), 'sense came').to.equal(true);
    await client.request('no_such_type');
    expect((await client.request('ping')).data.connection_health).to.equal(false);
    expect((await client.request('ping')).data.connection_health).to.equal(true);
  });

  it('a heartbeat that overtakes an event would tell that it was written already (L4)', async () => {
    const client = await world.connect(node);
    const log = logOf(world.redis);
    for (let n = 0; n < 200; n += 1) await log.append([storedEvent({ n })]);
    await client.waitFor('custom_event', (frame) => frame.data.n === 199);
    let written = client.establishedData?.positions.broadcast;
    for (const frame of client.frames) {
      if (frame.type === 'custom_event') written = frame.position ?? '';
      if (frame.type === 'heartbeat')
        expect((frame.data.positions as { broadcast: string }).broadcast).to.equal(written);
    }
  });

  it('heartbeats must come at their interval and to all connections', async () => {
    const clients = await Promise.all(Array.from({ length: 5 }, () => world.connect(node)));
    const beats = (index: number): number[] =>
      (clients[index]?.frames ?? []).filter((frame) => frame.type === 'heartbeat').map((frame) => frame.at);
    await until(() => clients.every((_, index) => beats(index).length >= 6), { what: 'six heartbeats each' });
    for (const index of clients.keys()) {
      const times = beats(index);
      const [first = 0] = times;
      const last = times.at(-1) ?? 0;
      expect((last - first) / (times.length - 1)).to.be.within(80, 180);
    }
  });

  it('a peer that answers pings, or sends anything, must not be taken for dead (F27)', async () => {
    const [polite, chatty] = await Promise.all([world.connect(node), world.raw(node, { token: token(world.user()) })]);
    const chat = setInterval(() => chatty.send('{"type":"pong"}'), 100);
    const pings = (): number => chatty.frames.filter((frame) => frame.opcode === OPCODE.PING).length;
    const started = systemClock.mono();
    await until(() => systemClock.mono() - started > 1200, { what: 'several ping intervals', everyMs: 100 });
    clearInterval(chat);
    expect(polite.isOpen).to.equal(true);
    expect(chatty.ended).to.equal(false);
    const health = await polite.ask('health_check', {}, 'health_check_response');
    expect(Date.parse(health.last_ping ?? '')).to.be.greaterThan(Date.now() - 1000);
    expect(Date.parse(health.last_pong ?? '')).to.be.greaterThan(Date.now() - 1000);
    expect(pings()).to.be.at.least(1);
  });

  it('a peer that has stopped answering must not be kept, nor its place in the registry', async () => {
    const user = world.user();
    const raw = await world.raw(node, { token: token(user) });
    await raw.waitFor('connection_established');
    const started = systemClock.mono();
    await raw.gone(3000);
    expect(systemClock.mono() - started).to.be.within(150, 1500);
    expect([4202, null]).to.include(raw.closeCode);
    expect(raw.frames.some((frame) => frame.opcode === OPCODE.PING)).to.equal(true);
    const redis = world.redis.client();
    await until(async () => (await world.entry(redis, user)).conn === '', { what: 'the entry is released' });
  });

  it('a peer that closes TCP without a word must leave the registry at once', async () => {
    const user = world.user();
    const client = await world.connect(node, user);
    client.terminate();
    const redis = world.redis.client();
    await until(async () => (await world.entry(redis, user)).conn === '', { what: 'the entry is released' });
    expect(await redis.smembers(`uws:{n:${(await redis.hkeys('uws:nodes'))[0]}}:users`)).to.not.include(user);
  });
});

describe('slow readers', function () {
  this.timeout(20_000);
  const world = new World();
  let node: LocalNode;
  const padding = 'x'.repeat(100_000);

  before(async () => {
    await world.start();
    node = await world.node({ MAX_BUFFERED_BYTES: '65536', RECOVERY_DELAY_MS: '50', RECOVERY_ATTEMPTS: '2' });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  it('a peer that does not read must be ended, and delay nobody', async () => {
    const slow = await world.raw(node, { token: token('slow') });
    await slow.waitFor('connection_established');
    slow.socket.pause();
    const others = await Promise.all(Array.from({ length: 5 }, () => world.connect(node)));
    const log = logOf(world.redis);
    const redis = world.redis.client();
    const delays: number[] = [];
    for (let n = 0; (await world.entry(redis, 'slow')).conn !== ''; n += 1) {
      expect(n, 'events of 100 kB while a peer who reads nothing is kept').to.be.lessThan(1000);
      const sentAt = systemClock.mono();
      await log.append([storedEvent({ n, padding })]);
      const frames = await Promise.all(others.map((one) => one.waitFor('custom_event', ({ data }) => data.n === n)));
      delays.push(...frames.map((frame) => frame.at - sentAt));
    }
    slow.socket.resume();
    expect([4201, null]).to.include(await slow.closed());
    expect(others.every((one) => one.isOpen)).to.equal(true);
    delays.sort((a, b) => a - b);
    expect(delays[Math.floor(delays.length * 0.9)], 'ms to the others').to.be.lessThan(100);
  });

  // Seen red: the ping that lay behind the backlog ended it after PING_TIMEOUT_MS, long before its tests were over.
  it('a peer that stopped reading must be given all of its tests, also when it cannot see a ping', async () => {
    const patient = await world.node({
      PING_INTERVAL_MS: '500',
      PING_TIMEOUT_MS: '500',
      RECOVERY_DELAY_MS: '400',
      RECOVERY_ATTEMPTS: '3',
    });
    const client = await world.connect(patient, 'reads-no-more');
    client.ws.pause();
    const stats = async () => (await call(patient, 'stats', { token: adminToken() })).body;
    const startedAt = systemClock.mono();
    const log = logOf(world.redis);
    const redis = world.redis.client();
    while ((await stats()).connections_by_status.recovering === 0) {
      // It is alive as long as its socket is not full.
      client.send('ping');
      await log.append(Array.from({ length: 5 }, () => storedEvent({ padding })));
    }
    await until(async () => (await world.entry(redis, 'reads-no-more')).conn === '', {
      timeoutMs: 10_000,
      what: 'it is ended',
    });
    expect(systemClock.mono() - startedAt, 'ms until it was given up').to.be.at.least(400 + 800 + 1600 + 3200 - 10);
    const { nodes } = await stats();
    const closed = nodes.map((one: Json) => [one.node_id, one.connections.closed]);
    expect(closed).to.deep.include([patient.node.id, { 4201: 1 }]);
  });

  it('a burst larger than the bound must not end those who read it', async () => {
    const clients = await Promise.all(Array.from({ length: 5 }, () => world.connect(node)));
    const count = 40;
    await logOf(world.redis).append(Array.from({ length: count }, (_, n) => storedEvent({ n, padding })));
    await Promise.all(clients.map((one) => one.waitFor('custom_event', ({ data }) => data.n === count - 1)));
    for (const client of clients) expect(client.events).to.have.length(count);
  });
});
