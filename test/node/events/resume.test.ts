import { formatPosition, parsePosition } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { logOf, storedEvent } from '../support/events.js';
import { type LocalNode, World } from '../support/world.js';

const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, n) => n + from);
const numbers = (client: TestClient): unknown[] => client.events.map(({ data }) => data.n);
const gaps = (client: TestClient): unknown[] => client.frames.filter(({ type }) => type === 'gap');

// Each of these was seen to fail with its mechanism taken out of a copy of the build: the comparison of the tags (window, Redis), the
// reader's own position, the gap, the wait until a reader has caught up, the bound of the socket, the telling of the position.
describe('a client that comes back with its position', function () {
  this.timeout(20_000);
  const world = new World();
  let node: LocalNode;
  let small: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node({ NODE_ID: 'one' });
    small = await world.node({ NODE_ID: 'small', WINDOW_SIZE: '10' });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  const back = (to: LocalNode, position: unknown, user = world.user()): Promise<TestClient> =>
    world.connect(to, user, ['user'], { resume: `${String(position)}~` });

  /** Publishes `count` events that a client of each node has received: both stand at the last one. Returns its position. */
  async function published(count: number, from = 0): Promise<string> {
    const marks = await Promise.all([world.connect(node), world.connect(small)]);
    const log = logOf(world.redis, 'heard', 100_000);
    for (const n of upTo(count, from)) await log.append([storedEvent({ n })]);
    const frames = await Promise.all(
      marks.map((mark) => mark.waitFor('custom_event', ({ data }) => data.n === from + count - 1)),
    );
    await Promise.all(marks.map((mark) => mark.close()));
    return String(frames[0]?.position);
  }

  for (const [what, where] of [
    ['window', () => node],
    ['log in Redis', () => small],
  ] as const) {
    it(`what it missed must follow from the ${what}, once and in order, and then what is live`, async () => {
      const start = await published(1);
      await published(300, 1);
      const client = await back(where(), start);
      expect(client.establishedData?.resume.broadcast).to.equal('full');
      // The position, not the head: nothing after it was written yet.
      expect(client.establishedData?.positions.broadcast).to.equal(start);
      await logOf(world.redis).append([storedEvent({ n: 301 })]);
      await client.waitFor('custom_event', ({ data }) => data.n === 301);
      expect(numbers(client)).to.deep.equal(upTo(301, 1));
      expect(gaps(client)).to.deep.equal([]);
    });
  }

  it('live events must neither overtake the replayed ones nor come twice while they are published without a pause', async () => {
    const start = await published(1);
    await published(2000, 1);
    const log = logOf(world.redis, 'heard', 100_000);
    let publishing = true;
    let n = 2001;
    const publish = (async () => {
      while (publishing) await log.append([storedEvent({ n: n++ })]);
    })();
    const clients = await Promise.all([
      ...upTo(5).map(() => back(node, start)),
      ...upTo(5).map(() => back(small, start)),
    ]);
    await until(() => n > 2400, { what: 'events published meanwhile' });
    publishing = false;
    await publish;
    await Promise.all(clients.map((one) => one.waitFor('custom_event', ({ data }) => data.n === n - 1)));
    for (const client of clients) expect(numbers(client)).to.deep.equal(upTo(n - 1, 1));
  });

  it('a position of the head must bring nothing, or the last event comes twice', async () => {
    const start = await published(3);
    const client = await back(node, start);
    expect(client.establishedData?.resume.broadcast).to.equal('full');
    await logOf(world.redis).append([storedEvent({ n: 'next' })]);
    await client.waitFor('custom_event', ({ data }) => data.n === 'next');
    expect(numbers(client)).to.deep.equal(['next']);
  });

  it('a position ahead of this node must be checked by Redis, and nothing come twice (L5)', async () => {
    const client = await world.connect(node);
    // The bus loses it: `node` does not stand there until it looks for the tail.
    await logOf(world.redis, 'lost').append([storedEvent({ n: 'ahead' })]);
    const redis = world.redis.client();
    const [epoch, offset, tag] = await redis.hmget('uws:{log}:meta', 'epoch', 'offset', 'tag');
    const position = formatPosition(String(epoch), Number(offset), String(tag));
    const ahead = await back(node, position);
    expect(client.events, 'the node stands behind').to.deep.equal([]);
    expect(ahead.establishedData?.resume.broadcast).to.equal('full');
    expect(ahead.establishedData?.positions.broadcast).to.equal(position);
    await client.waitFor('custom_event', ({ data }) => data.n === 'ahead');
    await logOf(world.redis).append([storedEvent({ n: 'next' })]);
    await ahead.waitFor('custom_event', ({ data }) => data.n === 'next');
    expect(numbers(ahead)).to.deep.equal(['next']);
  });

  it('a position ahead of this node that is then lost must be told, and what took its place be delivered (L1)', async () => {
    const start = await published(2);
    const { epoch = '', offset = 0, tag = '' } = parsePosition(start) ?? {};
    const redis = world.redis.client();
    // The bus loses it, and a client comes from a node that had it.
    await logOf(world.redis, 'lost').append([storedEvent({ n: 'lost' })]);
    const [, ahead, aheadTag] = await redis.hmget('uws:{log}:meta', 'epoch', 'offset', 'tag');
    const client = await back(node, formatPosition(epoch, Number(ahead), String(aheadTag)));
    expect(client.establishedData?.resume.broadcast).to.equal('full');
    // A fail-over to a replica that lacked it; another takes its place.
    await redis.xdel('uws:{log}:s', `${ahead}-0`);
    await redis.call('XSETID', 'uws:{log}:s', `${offset}-0`);
    await redis.hset('uws:{log}:meta', { offset: String(offset), tag });
    await logOf(world.redis).append([storedEvent({ n: 'instead' })]);
    await client.waitFor('custom_event', ({ data }) => data.n === 'instead');
    const gap = await client.waitFor('gap');
    expect(gap.data).to.include({ scope: 'broadcast', reason: 'log_reset' });
    expect(numbers(client)).to.deep.equal(['instead']);
  });

  it('a position whose entry was trimmed just now has missed nothing, when all that followed is there', async () => {
    const keep = logOf(world.redis, 'heard', 4);
    const client = await world.connect(small);
    // An append trims only a little more than it adds.
    await world.redis.client().xtrim('uws:{log}:s', 'MAXLEN', 1);
    for (const n of upTo(40)) await keep.append([storedEvent({ n })]);
    await client.waitFor('custom_event', ({ data }) => data.n === 39);
    const redis = world.redis.client();
    const [[first = ''] = []] = (await redis.xrange('uws:{log}:s', '-', '+', 'COUNT', 1)) as unknown as [[string]];
    const before = client.events.find(({ position }) => {
      return parsePosition(String(position))?.offset === Number.parseInt(first, 10) - 1;
    });
    const fresh = await world.node({ NODE_ID: 'knows-nothing' });
    const resumed = await back(fresh, before?.position);
    expect(resumed.establishedData?.resume.broadcast).to.equal('full');
    await resumed.waitFor('custom_event', ({ data }) => data.n === 39);
    expect(gaps(resumed)).to.deep.equal([]);
    const older = await back(fresh, client.events[0]?.position);
    expect(older.establishedData?.resume.broadcast).to.equal('partial');
  });

  // Seen red when an entry that joins by its offset was enough: the one before it is gone, and may have been another.
  it('a node that cannot prove that the next entry follows its own last one must tell of a gap (L1)', async () => {
    const client = await world.connect(node);
    await published(2);
    await until(() => client.events.length > 0, { what: 'an event' });
    const redis = world.redis.client();
    await logOf(world.redis, 'lost').append([storedEvent({ n: 'joins by its offset' })]);
    await redis.xtrim('uws:{log}:s', 'MAXLEN', 1);
    const [head] = await redis.hmget('uws:{log}:meta', 'offset');
    await redis.hset('uws:{log}:meta', { floor: String(Number(head) - 1), floor_tag: 'another' });
    await client.waitFor('custom_event', ({ data }) => data.n === 'joins by its offset');
    expect(gaps(client)).to.have.length(1);
    expect((await client.waitFor('gap')).data).to.include({ scope: 'broadcast', reason: 'trimmed' });
  });

  it('a position of another history must read as lost (L1)', async () => {
    const good = parsePosition(await published(5));
    const { epoch = '', offset = 0, tag = '' } = good ?? {};
    // So that `small` has to ask Redis.
    await published(20, 5);
    const results: unknown[] = [];
    for (const to of [node, small]) {
      for (const position of [
        formatPosition(`${epoch}x`, offset, tag),
        formatPosition(epoch, offset, `${tag}x`),
        formatPosition(epoch, offset - 1, tag),
        formatPosition(epoch, offset + 1, tag),
        formatPosition(epoch, offset + 1000, tag),
      ]) {
        const client = await back(to, position);
        results.push(client.establishedData?.resume.broadcast);
        expect(client.establishedData?.positions.broadcast).to.not.equal(position);
      }
    }
    expect(results).to.deep.equal(Array.from({ length: 10 }, () => 'none'));
    const malformed = await back(node, 'junk');
    expect(malformed.establishedData?.resume.broadcast).to.equal('fresh');
  });

  it('what is trimmed must be told: partial in connection_established, and a gap before the rest', async () => {
    const start = await published(1);
    await published(30, 1);
    const redis = world.redis.client();
    await redis.xtrim('uws:{log}:s', 'MAXLEN', 12);
    const client = await back(small, start);
    expect(client.establishedData?.resume.broadcast).to.equal('partial');
    expect(client.establishedData?.positions.broadcast).to.equal(start);
    await client.waitFor('custom_event', ({ data }) => data.n === 30);
    const gap = await client.waitFor('gap');
    expect(gap.data).to.include({ scope: 'broadcast', from: start, reason: 'trimmed' });
    expect(gap.data.to).to.equal(client.events[0]?.position);
    expect(client.frames.indexOf(gap)).to.be.lessThan(client.frames.indexOf(client.events[0] as never));
    expect(numbers(client)).to.deep.equal(upTo(12, 19));
  });

  it('an idle log of which nothing is kept any more is no reason to report a loss', async () => {
    const start = await published(2);
    await world.redis.client().del('uws:{log}:s');
    const fresh = await world.node({ NODE_ID: 'late' });
    const client = await back(fresh, start);
    expect(client.establishedData?.resume.broadcast).to.equal('full');
  });

  it('a replay must not show what the user may not see', async () => {
    const start = await published(1);
    const log = logOf(world.redis);
    await log.append([
      storedEvent({ n: 'for admins' }, { roles: ['admin'] }),
      storedEvent({ n: 'not for him' }, { exclude: ['excluded'] }),
      storedEvent({ zone_name: 'x' }, { type: 'user_login', category: 'user' }),
      storedEvent({ n: 'for all' }),
    ]);
    const client = await back(node, start, 'excluded');
    await client.waitFor('custom_event', ({ data }) => data.n === 'for all');
    expect(numbers(client)).to.deep.equal(['for all']);
  });

  it('a position that moves without events must be told, or who receives rarely ages out of the log (L6)', async () => {
    const quiet = await world.connect(node);
    await quiet.ask('unsubscribe_events', { event_types: ['custom_event'] }, 'subscription_updated');
    const start = quiet.establishedData?.positions.broadcast;
    const last = await published(20);
    expect(last).to.not.equal(start);
    const reported = await quiet.waitFor('heartbeat', ({ data }) => {
      return (data.positions as { broadcast: string }).broadcast === last;
    });
    expect(reported.data.positions).to.deep.equal({ broadcast: last, user: null });
    expect(quiet.events).to.deep.equal([]);
  });
});

describe('a peer that reads slowly', function () {
  this.timeout(30_000);
  const world = new World();
  let node: LocalNode;
  const padding = 'x'.repeat(50_000);

  before(async () => {
    await world.start();
    // Long enough that nobody is ended here, and a ring of recent events that is far too small for what is missed.
    node = await world.node({ RECOVERY_DELAY_MS: '10000', WINDOW_SIZE: '20' });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  it('and then catches up must miss nothing, and cost no more than its socket meanwhile', async () => {
    const user = world.user();
    const slow = await world.raw(node, { token: token(user) });
    await slow.waitFor('connection_established');
    const other = await world.connect(node);
    slow.socket.pause();
    const log = logOf(world.redis, 'heard', 100_000);
    const count = 400;
    for (const n of upTo(count)) {
      await log.append([storedEvent({ n, padding })]);
      await other.waitFor('custom_event', ({ data }) => data.n === n);
    }
    const metrics = await (await fetch(`${node.http}/metrics`)).text();
    expect(metrics).to.match(/^uws_connections_congested 1$/m);
    const buffered = Number(/^uws_socket_buffered_bytes (\d+)$/m.exec(metrics)?.[1]);
    // Of the 20 MB that it missed.
    expect(buffered, 'bytes kept for it').to.be.lessThan(200_000);
    slow.socket.resume();
    await until(() => slow.messages.length >= count + 1, { timeoutMs: 15_000, what: 'all that it missed' });
    const events = slow.messages.slice(1).filter(({ type }) => type === 'custom_event');
    expect(events.map(({ data }) => data.n)).to.deep.equal(upTo(count));
    await log.append([storedEvent({ n: 'next' })]);
    await until(() => slow.messages.at(-1)?.data.n === 'next', { what: 'the next event' });
    expect(slow.messages.filter(({ type }) => type === 'gap')).to.deep.equal([]);
    const after = await (await fetch(`${node.http}/metrics`)).text();
    expect(Number(/^uws_events_replayed_total\{source="log"\} (\d+)$/m.exec(after)?.[1])).to.be.greaterThan(100);
  });
});
