import { formatResume, parsePosition, REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import type { TestClient } from '../../support/client.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { storedEvent } from '../support/events.js';
import { gapsOf, mailNumbers, mailOf, upTo } from '../support/mail.js';
import { PairWorld } from '../support/pairWorld.js';
import { expectMessage } from '../support/schemas.js';

const events = (count: number, from = 0) => upTo(count, from).map((n) => storedEvent({ n }));
const last = (n: number) => (frame: { data: Record<string, unknown> }) => frame.data.n === n;
const resumeUser = (position: unknown): string => formatResume(null, String(position));

const ENV = { HEARTBEAT_INTERVAL_MS: '200', SWEEP_INTERVAL_MS: '1000', EVENT_QUEUE_PARTITIONS: '4' };

describe('mailboxes', function () {
  this.timeout(15_000);
  const world = PairWorld.make(ENV);
  let redis: Redis;

  before(() => {
    redis = world.redis.client();
  });

  const publish = (admin: TestClient, users: readonly string[], data: Record<string, unknown>, more: object = {}) =>
    admin.ask('publish_event', { event_type: 'custom_event', data, target_user_ids: users, ...more }, 'event_accepted');

  it('a user who was offline for 80 events must get all 80 on return', async () => {
    const user = world.user();
    const admin = await world.admin(world.one);
    await Promise.all(upTo(80).map((n) => publish(admin, [user], { n })));
    await until(async () => (await mailOf(world.redis).head(user))?.offset === 80, { what: 'all in the mailbox' });
    const client = await world.connect(world.two, user);
    expectMessage(client.frames[0] as never, 'connection_established');
    expect(client.establishedData?.resume).to.deep.equal({ broadcast: 'fresh', user: 'fresh' });
    await client.waitFor('custom_event', last(79));
    expect(mailNumbers(client)).to.deep.equal(upTo(80));
    expect(gapsOf(client)).to.deep.equal([]);
    const first = client.events[0];
    expect(parsePosition(String(client.establishedData?.positions.user))).to.include({ offset: 0 });
    expect(parsePosition(String(first?.position))).to.include({ offset: 1 });
  });

  it('a user who was offline for 150 events must get the newest 100, and be told that older ones are gone', async () => {
    const user = world.user();
    await mailOf(world.redis).append(user, events(150));
    const client = await world.connect(world.one, user);
    await client.waitFor('custom_event', last(149));
    expect(mailNumbers(client)).to.deep.equal(upTo(100, 50));
    const gap = client.frames[1];
    expectMessage(gap as never, 'gap');
    expect(gap?.data).to.deep.equal({
      scope: 'user',
      from: client.establishedData?.positions.user,
      to: client.events[0]?.position,
      reason: 'trimmed',
    });
    expect(gapsOf(client)).to.have.length(1);
  });

  it('an event must reach its users alone, once, whole and in order, on whatever nodes they are', async () => {
    const [here, there, other] = [world.user(), world.user('üser one'), world.user()];
    const clients = await Promise.all([
      world.connect(world.one, here),
      world.connect(world.two, there),
      world.connect(world.two, other),
    ]);
    const admin = await world.admin(world.one);
    const { event_id, queue } = await publish(admin, [here, there, here], { n: 0 }, { metadata: { trace: 't' } });
    expect(queue).to.match(/^events-\d(,events-\d)?$/);
    for (let n = 1; n < 5; n += 1) await publish(admin, [there, here], { n });
    await publish(admin, [other], { n: 'other' });
    const [near, far, third] = clients as [TestClient, TestClient, TestClient];
    await Promise.all([near, far].map((client) => client.waitFor('custom_event', last(4))));
    await third.waitFor('custom_event');
    expect([near, far, third].map(mailNumbers)).to.deep.equal([upTo(5), upTo(5), ['other']]);
    const { at: _at, position, ...frame } = far.events[0] as never as Record<string, unknown>;
    expect(frame).to.deep.include({
      type: 'custom_event',
      id: event_id,
      scope: 'user',
      metadata: { trace: 't' },
      priority: 'normal',
      category: 'custom',
    });
    expect(frame).to.not.have.any.keys('target_user_ids', 'roles', 'exclude');
    expect(parsePosition(String(position))?.offset).to.equal(1);
    expect((await redis.xrange(`uws:{u:${encodeURIComponent(there)}}:box`, '-', '+')).flat(2).join()).to.not.include(
      'target_user_ids',
    );
  });

  it('the first event of a user without a mailbox must come live', async () => {
    const user = world.user();
    const client = await world.connect(world.two, user);
    expect(client.establishedData?.positions.user).to.equal(null);
    await mailOf(world.redis).append(user, events(1));
    await client.waitFor('custom_event');
    expect(mailNumbers(client)).to.deep.equal([0]);
  });

  it('an event that the bus lost must be read before a later one is delivered (L3)', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    const [heard, lost] = [mailOf(world.redis), mailOf(world.redis, { bus: 'lost' })];
    for (let n = 0; n < 30; n += 1) await (n % 4 === 0 || n === 29 ? heard : lost).append(user, events(1, n));
    await client.waitFor('custom_event', last(29));
    expect(mailNumbers(client)).to.deep.equal(upTo(30));
    expect(gapsOf(client)).to.deep.equal([]);
  });

  it('a lost last event must be found by the sweep, which reads the heads (L4)', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    await mailOf(world.redis, { bus: 'lost' }).append(user, events(2));
    await client.waitFor('custom_event', last(1));
    expect(mailNumbers(client)).to.deep.equal([0, 1]);
  });

  it('acknowledged events must not come again, and all others must, to whoever gives no position', async () => {
    const user = world.user();
    const first = await world.connect(world.one, user);
    const mail = mailOf(world.redis);
    await mail.append(user, events(10));
    await first.waitFor('custom_event', last(9));
    first.send('ack', { user: first.events[6]?.position });
    first.send('ack', { user: first.events[3]?.position });
    await until(async () => (await mail.read(user, 1, 1))?.acked === 7, { what: 'the newest acknowledgement counts' });
    await first.close();
    const second = await world.connect(world.two, user);
    expect(second.establishedData?.positions.user).to.equal(first.events[6]?.position);
    await second.waitFor('custom_event', last(9));
    expect(mailNumbers(second)).to.deep.equal([7, 8, 9]);
    expect(gapsOf(second)).to.deep.equal([]);
  });

  it('a position must be resumed exactly when it is good, and refused when it is not (L1, L8)', async () => {
    const user = world.user();
    const first = await world.connect(world.one, user);
    const mail = mailOf(world.redis);
    await mail.append(user, events(6));
    await first.waitFor('custom_event', last(5));
    const positions = first.events.map(({ position }) => position);
    await first.close();
    const state = parsePosition(String(positions[3]));
    const cases: readonly [unknown, string, number[]][] = [
      [positions[2], 'full', [3, 4, 5]],
      [positions[5], 'full', []],
      [`${state?.epoch}.0.`, 'full', upTo(6)],
      [`${state?.epoch}.4.other`, 'none', upTo(6)],
      [`${state?.epoch}.9.${state?.tag}`, 'none', upTo(6)],
      [`another.4.${state?.tag}`, 'none', upTo(6)],
      ['nonsense', 'fresh', upTo(6)],
    ];
    for (const [position, result, expected] of cases) {
      const client = await world.connect(world.two, user, ['user'], { resume: resumeUser(position) });
      expect(client.establishedData?.resume.user, String(position)).to.equal(result);
      await until(() => mailNumbers(client).length >= expected.length, { what: `replay from ${String(position)}` });
      await client.close();
      expect(mailNumbers(client), String(position)).to.deep.equal(expected);
    }
    const acking = await world.connect(world.one, user);
    await acking.waitFor('custom_event', last(5));
    acking.send('ack', { user: positions[4] });
    await until(async () => (await mail.read(user, 1, 1))?.acked === 5, { what: 'acknowledged' });
    await acking.close();
    const older = await world.connect(world.two, user, ['user'], { resume: resumeUser(positions[1]) });
    expect(older.establishedData?.resume.user).to.equal('partial');
    await older.waitFor('custom_event');
    expect(mailNumbers(older)).to.deep.equal([5]);
    await older.close();
    const exact = await world.connect(world.two, user, ['user'], { resume: resumeUser(positions[4]) });
    expect(exact.establishedData?.resume.user).to.equal('full');
  });

  it('a position of a mailbox that is no more must not pass for a good one', async () => {
    const resume = resumeUser('gone.4.tag');
    const client = await world.connect(world.one, world.user(), ['user'], { resume });
    expect(client.establishedData?.resume.user).to.equal('none');
    expect(client.establishedData?.positions.user).to.equal(null);
  });

  it('subscription and permission must be checked at delivery, and the position be told when nothing was', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    await client.ask('unsubscribe_events', { event_types: ['custom_event'] }, 'subscription_updated');
    const mail = mailOf(world.redis);
    const hidden = [
      storedEvent({ n: 'unsubscribed' }),
      storedEvent({ n: 'role' }, { type: 'notification_sent', roles: ['admin'] }),
      storedEvent({ n: 'permission' }, { type: 'notification_sent', permission: 'events:sensitive' }),
      storedEvent({ n: 'excluded' }, { type: 'notification_sent', exclude: [user] }),
      storedEvent({ n: 'unknown' }, { type: 'no_such_type' }),
    ];
    await mail.append(user, [storedEvent({ n: 0 }, { type: 'notification_sent' }), ...hidden]);
    await client.waitFor('notification_sent');
    const reported = await client.waitFor(
      'heartbeat',
      ({ data }) => (data.positions as { user: unknown }).user !== null,
    );
    expectMessage(reported, 'heartbeat');
    const { user: position } = reported.data.positions as { user: string };
    expect(parsePosition(position)?.offset).to.equal(6);
    const beats = client.frames.filter(({ type }) => type === 'heartbeat').length;
    await until(() => client.frames.filter(({ type }) => type === 'heartbeat').length > beats + 1, {
      what: 'heartbeats',
    });
    const users = client.frames.filter(({ type }) => type === 'heartbeat').map(({ data }) => data.positions);
    expect(users.filter((positions) => (positions as { user: unknown }).user !== null)).to.have.length(1);
    await client.ask('subscribe_events', { event_types: ['custom_event'] }, 'subscription_updated');
    await mail.append(user, events(1, 7));
    await client.waitFor('custom_event', last(7));
    expect(mailNumbers(client)).to.deep.equal([0, 7]);
    await client.close();
    const again = await world.connect(world.two, user, ['user'], { resume: resumeUser(position) });
    expect(again.establishedData?.resume.user).to.equal('full');
    await again.waitFor('custom_event');
    expect(mailNumbers(again)).to.deep.equal([7]);
  });

  it('a sensitive field must be hidden from a target who may not see it', async () => {
    const [user, admin] = [world.user(), world.user('admin')];
    const clients = await Promise.all([world.connect(world.one, user), world.connect(world.one, admin, ['admin'])]);
    const event = { event_type: 'security_alert', data: { title: 't', source_ip: '10.0.0.1' } };
    await clients[1]?.ask('publish_event', { ...event, target_user_ids: [user, admin] }, 'event_accepted');
    const frames = await Promise.all(clients.map((client) => client.waitFor('security_alert')));
    expect(frames.map(({ data }) => data)).to.deep.equal([{ title: 't' }, event.data]);
  });

  it('the order of one user must hold whoever else his events are for, and whoever publishes them', async () => {
    const users = upTo(6).map(() => world.user());
    const [watched = ''] = users;
    const client = await world.connect(world.two, watched);
    const admin = await world.admin(world.one);
    const replies: Promise<unknown>[] = [];
    for (let n = 0; n < 90; n += 1) {
      const targets = n % 3 === 0 ? [watched] : n % 3 === 1 ? users : [users[3] ?? '', watched];
      replies.push(publish(admin, targets, { n }));
    }
    await Promise.all(replies);
    await client.waitFor('custom_event', last(89));
    expect(mailNumbers(client)).to.deep.equal(upTo(90));
  });

  it('a repeat must be told and delivered to nobody twice, also while it waits (L2)', async () => {
    const [user, second] = [world.user(), world.user()];
    const [client, other] = await Promise.all([world.connect(world.one, user), world.connect(world.two, second)]);
    const admin = await world.admin(world.one);
    const event = { id: `once-${user}`, delay_ms: 200 };
    const first = await publish(admin, [user, second], { n: 0 }, event);
    const again = await publish(admin, [user, second], { n: 0 }, event);
    expect([first.duplicate, again.duplicate]).to.deep.equal([false, true]);
    await Promise.all([client, other].map((one_) => one_.waitFor('custom_event')));
    expect(await publish(admin, [second, user], { n: 1 }, { id: event.id })).to.include({
      duplicate: true,
      event_id: first.event_id,
    });
    await publish(admin, [user, second], { n: 2 });
    await Promise.all([client, other].map((one_) => one_.waitFor('custom_event', last(2))));
    expect([client, other].map(mailNumbers)).to.deep.equal([
      [0, 2],
      [0, 2],
    ]);
  });

  it('an acknowledgement must be refused when malformed, and ignored when it is not of this mailbox', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    const mail = mailOf(world.redis);
    await mail.append(user, events(3));
    await client.waitFor('custom_event', last(2));
    const [position] = client.events.map((frame) => parsePosition(String(frame.position)));
    for (const bad of ['', 'x', 'a.b.c', `${position?.epoch}.1.`, `${position?.epoch}.0.t`, 'e.99999999999999999.t']) {
      const answer = await client.request('ack', { user: bad });
      expectMessage(answer, 'validation_error');
      expect(answer.data).to.deep.include({ error_code: 'VALIDATION_ERROR' });
      expect((answer.data.errors as { path: string }[])[0]?.path).to.equal('/user');
      // Five in a row would end the connection.
      await client.request('ping');
    }
    expect((await client.request('ack', {})).type).to.equal('validation_error');
    const { epoch, tag } = position ?? {};
    for (const other of [`other.2.${tag}`, `${epoch}.2.othertag`, `${epoch}.0.`, `${epoch}.999.sometag`]) {
      client.send('ack', { user: other });
    }
    client.send('ack', { user: client.events[0]?.position });
    await until(async () => (await mail.read(user, 1, 1))?.acked === 1, { what: 'the good one alone' });
    expect(client.isOpen).to.equal(true);
  });

  it('what became of a targeted event must be told, however many queues it lies in', async () => {
    const users = upTo(12).map(() => world.user());
    const admin = await world.admin(world.one);
    const status = async (id: unknown): Promise<unknown> => {
      const headers = { authorization: `Bearer ${token('caller', { roles: ['admin'] })}` };
      const response = await fetch(`${world.one.http}${REST_BASE}/events/${id}`, { headers });
      return ((await response.json()) as { status: unknown }).status;
    };
    const single = await publish(admin, users.slice(0, 1), { n: 0 });
    const [split, given] = [await publish(admin, users, { n: 1 }), await publish(admin, users, { n: 2 }, { id: 'g' })];
    expect(split.queue.split(',').length, split.queue).to.be.greaterThan(1);
    for (const { event_id } of [single, split, given]) {
      await until(async () => (await status(event_id)) === 'appended', { what: 'appended' });
    }
    for (const user of users) {
      const page = await mailOf(world.redis).read(user, 1, 10);
      expect(page?.entries.map(({ event }) => event.id).slice(-2)).to.deep.equal([split.event_id, given.event_id]);
    }
    const { event_id } = await publish(admin, users, { n: 3 }, { delay_ms: 60_000 });
    expect(await status(event_id)).to.equal('queued');
  });

  it('the mailbox must be shown to admins, without what they may not see, and to nobody else', async () => {
    const user = world.user();
    await mailOf(world.redis).append(user, [
      storedEvent({ n: 0, source_ip: '10.0.0.1' }, { type: 'security_alert' }),
      storedEvent({ n: 1 }, { type: 'notification_sent' }),
    ]);
    const get = async (path: string, roles: string[], claims = {}) => {
      const response = await fetch(`${world.one.http}${REST_BASE}/users/${path}/mailbox`, {
        headers: { authorization: `Bearer ${token('caller', { roles, claims })}` },
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    expect((await get(user, ['user'])).status).to.equal(403);
    const { status, body } = await get(user, ['user'], { permissions: ['admin:connections'] });
    expect(status).to.equal(200);
    expect(body).to.include({ user_id: user, waiting: 2 });
    const entries = body.entries as { position: string; age_ms: number; event: { data: unknown } }[];
    expect(entries.map(({ event }) => event.data)).to.deep.equal([{ n: 0 }, { n: 1 }]);
    expect(body.head).to.equal(entries[1]?.position);
    expect(entries[0]?.age_ms).to.be.within(0, 10_000);
    const all = (await get(user, ['admin'])).body.entries as { event: { data: unknown } }[];
    expect(all[0]?.event.data).to.deep.equal({ n: 0, source_ip: '10.0.0.1' });
    const operator = (await get(user, ['operator'])).body.entries as { event: { data: unknown } }[];
    expect(operator.map(({ event }) => event.data)).to.deep.equal([null, null]);
    expect((await get('nobody', ['admin'])).body).to.include({ epoch: null, waiting: 0 });
  });

  // Seen red with the type's permission alone: all but the last were shown, also to an addressee whom no connection had sent them to.
  it('what an event was limited to must hold for who looks into the mailbox, or he reads what no connection is sent', async () => {
    const user = world.user();
    const kinds = [
      { permission: 'billing:read' },
      { roles: ['finance'] },
      { exclude: ['caller', user] },
      { metadata: { n: 3 } },
    ];
    await mailOf(world.redis).append(
      user,
      kinds.map((limits, n) => storedEvent({ n }, { type: 'notification_sent', ...limits })),
    );
    const seen = async (roles: string[], permissions: string[] = []) => {
      const claims = { permissions: ['admin:connections', ...permissions] };
      const response = await fetch(`${world.one.http}${REST_BASE}/users/${user}/mailbox`, {
        headers: { authorization: `Bearer ${token('caller', { roles, claims })}` },
      });
      const { entries } = (await response.json()) as { entries: { event: Record<string, unknown> }[] };
      return entries.map(({ event }) => event);
    };
    const data = (shown: readonly Record<string, unknown>[]): unknown[] => shown.map((event) => event.data);
    const plain = await seen(['admin']);
    expect(data(plain)).to.deep.equal([null, null, null, { n: 3 }]);
    for (const hidden of plain.slice(0, 3)) {
      expect(hidden).to.have.keys('id', 'type', 'data', 'timestamp', 'priority', 'category', 'severity');
    }
    const some = await seen(['user', 'finance'], ['billing:read']);
    expect(data(some)).to.deep.equal([{ n: 0 }, { n: 1 }, null, { n: 3 }]);
    expect(some[1]).to.deep.include({ roles: ['finance'] });
    const addressee = await world.connect(world.two, user);
    await addressee.waitFor('notification_sent');
    expect(data(addressee.events as never)).to.deep.equal([{ n: 3 }]);
  });
});
