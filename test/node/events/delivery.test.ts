import { parsePosition } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { Received } from '../../support/client.js';
import { writesTo } from '../../support/socketWrites.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { logOf, storedEvent } from '../support/events.js';
import { PairWorld } from '../support/pairWorld.js';

describe('delivery of events', function () {
  this.timeout(10_000);
  const world = PairWorld.make();

  const offsetOf = (position: unknown): number => parsePosition(String(position))?.offset ?? Number.NaN;

  it('positions that do not grow by one hide what is missing', async () => {
    const client = await world.connect(world.one);
    await logOf(world.redis).append(Array.from({ length: 5 }, (_, n) => storedEvent({ n })));
    await client.waitFor('custom_event', (frame) => frame.data.n === 4);
    const offsets = client.events.map((frame) => offsetOf(frame.position));
    const start = offsetOf(client.establishedData?.positions.broadcast);
    expect(offsets).to.deep.equal([1, 2, 3, 4, 5].map((n) => start + n));
    const next = await world.connect(world.two);
    expect(offsetOf(next.establishedData?.positions.broadcast), 'connection_established carries the position').to.equal(
      start + 5,
    );
    expect(next.establishedData?.positions.broadcast).to.equal(client.events.at(-1)?.position);
  });

  it('several events of one turn must share one write per socket, in order', async () => {
    const raw = await world.raw(world.one, { token: token(world.user()) });
    await raw.waitFor('connection_established');
    const { localPort = 0 } = raw.socket;
    const count = 50;
    const [written] = await writesTo([localPort], async () => {
      await logOf(world.redis).append(Array.from({ length: count }, (_, n) => storedEvent({ n })));
      await until(() => raw.messages.length === count + 1, { what: 'all events' });
    });
    expect(written, 'writes').to.have.length(1);
    expect(raw.messages.slice(1).map((message) => message.data.n)).to.deep.equal(
      Array.from({ length: count }, (_, n) => n),
    );
  });

  it('an event must come once to each subscriber of each node, and whole', async () => {
    const clients = await Promise.all([world.connect(world.one), world.connect(world.two), world.connect(world.two)]);
    const admin = await world.admin(world.one);
    const event = {
      event_type: 'zone_updated',
      data: { zone_name: 'exämple.org', nested: { list: [1, 'two', null, { three: 3 }] } },
      metadata: { trace_id: 't-1' },
      priority: 'high',
      severity: 'warning',
    };
    const { event_id } = await admin.ask('publish_event', event, 'event_accepted');
    for (const client of clients) {
      const frame = await client.waitFor('zone_updated');
      const { at: _at, timestamp, position, ...rest } = frame as Received & { timestamp: string };
      expect(rest).to.deep.equal({
        type: 'zone_updated',
        data: event.data,
        id: event_id,
        priority: 'high',
        category: 'dns',
        severity: 'warning',
        metadata: event.metadata,
        scope: 'broadcast',
      });
      expect(Math.abs(Date.now() - Date.parse(timestamp))).to.be.lessThan(5000);
      expect(offsetOf(position)).to.be.greaterThan(0);
    }
    await logOf(world.redis).append([storedEvent({ last: true })]);
    await Promise.all(clients.map((client) => client.waitFor('custom_event')));
    for (const client of clients) {
      expect(client.events.map((frame) => frame.type)).to.deep.equal(['zone_updated', 'custom_event']);
    }
  });

  it('a sensitive field must be hidden at any depth, and an emptied object stay empty (F12)', async () => {
    const [user, admin] = await Promise.all([world.connect(world.one), world.admin(world.one)]);
    const secretive = {
      title: 'break-in',
      source_ip: '10.1.2.3',
      Session_ID: 's',
      details: { api_key: 'k', list: [{ password: 'p', kept: 1 }, { token: 't' }], deep: { secret: { a: 1 } } },
      monkey: 'not a key',
      keyword: 'kept',
    };
    const emptied = { session_id: 's', user_agent: 'curl' };
    await logOf(world.redis).append([
      storedEvent(secretive, { type: 'security_alert', metadata: { source_ip: '10.1.2.3', trace: 'x' } }),
      storedEvent(emptied, { type: 'security_alert' }),
      storedEvent({ source_ip: '10.1.2.3' }),
    ]);
    await user.waitFor('custom_event');
    await admin.waitFor('custom_event');
    const [whole, rest, open] = user.events as (Received & { metadata?: unknown })[];
    expect(whole?.data).to.deep.equal({
      title: 'break-in',
      details: { list: [{ kept: 1 }, {}], deep: {} },
      monkey: 'not a key',
      keyword: 'kept',
    });
    expect(whole?.metadata).to.deep.equal({ trace: 'x' });
    expect(rest?.data).to.deep.equal({});
    expect(open?.data, 'another type hides nothing').to.deep.equal({ source_ip: '10.1.2.3' });
    expect(admin.events.map((frame) => frame.data)).to.deep.equal([secretive, emptied, { source_ip: '10.1.2.3' }]);
  });

  it('exclude, roles and permission of a publish must limit who receives it, and never be shown', async () => {
    const left = world.user();
    const [kept, excluded, admin, service] = await Promise.all([
      world.connect(world.one),
      world.connect(world.one, left),
      world.admin(world.one),
      world.connect(world.two, world.user(), ['user', 'service']),
    ]);
    const publish = (data: Record<string, unknown>, limits: object) =>
      admin.ask(
        'publish_event',
        { event_type: 'custom_event', data, ordering_key: 'limits', ...limits },
        'event_accepted',
      );
    await publish({ n: 'exclude' }, { exclude: [left] });
    await publish({ n: 'roles' }, { roles: ['service'] });
    await publish({ n: 'permission' }, { permission: 'events:sensitive' });
    await publish({ n: 'both' }, { roles: ['service', 'admin'], permission: 'events:publish', exclude: [left] });
    await publish({ n: 'nobody' }, { roles: ['no_such_role'] });
    await publish({ n: 'all' }, {});
    const clients = [kept, excluded, admin, service];
    for (const client of clients) await client.waitFor('custom_event', (frame) => frame.data.n === 'all');
    const seen = clients.map((client) => client.events.map((frame) => frame.data.n));
    expect(seen).to.deep.equal([
      ['exclude', 'all'],
      ['all'],
      ['exclude', 'permission', 'both', 'all'],
      ['exclude', 'roles', 'both', 'all'],
    ]);
    for (const frame of clients.flatMap((client) => client.events)) {
      expect(frame).to.not.have.any.keys('exclude', 'roles', 'permission', 'expires_at');
    }
  });

  it('an event that excludes one user must not cost him the others of the same flush, nor their order', async () => {
    const left = world.user();
    const [kept, excluded] = await Promise.all([world.connect(world.one), world.connect(world.one, left)]);
    const events = Array.from({ length: 20 }, (_, n) => storedEvent({ n }, n % 3 === 0 ? { exclude: [left] } : {}));
    await logOf(world.redis).append([...events, storedEvent({ n: 'last' })]);
    await Promise.all(
      [kept, excluded].map((client) => client.waitFor('custom_event', ({ data }) => data.n === 'last')),
    );
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    expect(kept.events.map((frame) => frame.data.n)).to.deep.equal([...numbers, 'last']);
    expect(excluded.events.map((frame) => frame.data.n)).to.deep.equal([...numbers.filter((n) => n % 3 > 0), 'last']);
  });

  it('events of one ordering key must keep the order of their publishing across nodes', async () => {
    const [client, admin] = await Promise.all([world.connect(world.one), world.admin(world.two)]);
    const count = 60;
    const replies: Promise<unknown>[] = [];
    for (let n = 0; n < count; n += 1) {
      const type = n % 2 === 0 ? 'zone_created' : 'zone_updated';
      replies.push(
        admin.ask('publish_event', { event_type: type, data: { n }, ordering_key: 'zone-7' }, 'event_accepted'),
      );
    }
    await Promise.all(replies);
    await until(() => client.events.length === count, { what: 'all events' });
    expect(client.events.map((frame) => frame.data.n)).to.deep.equal(Array.from({ length: count }, (_, n) => n));
  });

  it('a critical event must overtake those that wait in the queue', async () => {
    const [client, admin] = await Promise.all([world.connect(world.one), world.admin(world.one)]);
    const count = 150;
    const send = (event_type: string, n: number): Promise<unknown> =>
      admin.ask('publish_event', { event_type, data: { n } }, 'event_accepted');
    await admin.ask('pause_event_queue', {}, 'event_queue_paused');
    // Each awaited, so that each is a job of its own.
    for (let n = 0; n < count; n += 1) await send('zone_created', n);
    await send('security_alert', count);
    await admin.ask('resume_event_queue', {}, 'event_queue_resumed');
    await until(() => client.events.length === count + 1, { what: 'all events' });
    const place = client.events.findIndex((frame) => frame.type === 'security_alert');
    expect(place).to.be.lessThan(count / 2);
  });

  it('an expired event must be dropped and not delivered late', async () => {
    const [client, admin] = await Promise.all([world.connect(world.one), world.admin(world.one)]);
    const expires_at = new Date(Date.now() + 100).toISOString();
    const late = { event_type: 'custom_event', data: { n: 'late' }, delay_ms: 300, expires_at };
    await admin.ask('publish_event', late, 'event_accepted');
    await admin.ask(
      'publish_event',
      { event_type: 'custom_event', data: { n: 'next' }, delay_ms: 400 },
      'event_accepted',
    );
    await client.waitFor('custom_event', (frame) => frame.data.n === 'next');
    expect(client.events.map((frame) => frame.data.n)).to.deep.equal(['next']);
  });
});
