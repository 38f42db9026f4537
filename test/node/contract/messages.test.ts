import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { expectMessage } from '../support/schemas.js';
import { type LocalNode, World } from '../support/world.js';

describe('messages of an open connection', function () {
  this.timeout(10_000);
  const world = new World();
  let node: LocalNode;
  let user: TestClient;
  let admin: TestClient;

  before(async () => {
    await world.start();
    node = await world.node({ MAX_CONSECUTIVE_ERRORS: '1000', MESSAGE_BURST: '10000' });
    [user, admin] = await Promise.all([world.connect(node, 'the-user'), world.connect(node, 'the-admin', ['admin'])]);
  });
  after(() => world.stop());

  /** The error that answers a message. */
  async function refusal(client: TestClient, type: string, data?: unknown): Promise<Record<string, unknown>> {
    const frame = await client.request(type, data);
    expectMessage(frame, frame.type === 'validation_error' ? 'validation_error' : 'error');
    expect(frame.data.message)
      .to.be.a('string')
      .and.not.match(/\bat |uws:|Redis|ioredis|undefined/);
    return frame.data;
  }

  it('connection_established that lacks a field leaves the client without what it needs to resume and to obey limits', async () => {
    const redis = world.redis.client();
    const [frame] = admin.frames;
    if (!frame) throw new Error('no connection_established');
    expectMessage(frame, 'connection_established');
    const { establishedData } = admin;
    const entry = await world.entry(redis, 'the-admin');
    expect(establishedData).to.include({ user_id: 'the-admin', is_admin: true, node_id: 'n1', protocol: '1' });
    expect(establishedData?.roles).to.deep.equal(['admin']);
    expect(establishedData?.permissions).to.include.members(['events:receive', 'events:sensitive', 'admin:disconnect']);
    expect(establishedData?.connection_id).to.equal(entry.conn);
    expect(String(establishedData?.fence)).to.equal(entry.fence);
    expect(establishedData?.resume).to.deep.equal({ broadcast: 'fresh', user: 'fresh' });
    expect(establishedData?.positions.broadcast).to.match(/^[\w-]+\.\d+\./);
    expect(establishedData?.positions.user).to.equal(null);
    expect(establishedData?.limits).to.deep.equal({
      max_payload: 65_536,
      max_subscriptions: 200,
      message_rate: 100,
      message_burst: 10_000,
    });
    expect(Date.parse(establishedData?.expires_at ?? '')).to.be.greaterThan(Date.now());
    expect(user.establishedData?.permissions).to.deep.equal(['events:receive']);
  });

  it('a position from before the server could replay must read as lost, or missed events go unnoticed', async () => {
    const client = await world.connect(node, world.user(), ['user'], { resume: 'abcdefgh.7.tag~' });
    expect(client.establishedData?.resume).to.deep.equal({ broadcast: 'none', user: 'fresh' });
    const malformed = await world.connect(node, world.user(), ['user'], { resume: 'nonsense' });
    expect(malformed.establishedData?.resume).to.deep.equal({ broadcast: 'fresh', user: 'fresh' });
  });

  it('a reply without reply_to cannot be told from the reply to another request', async () => {
    const frames = await Promise.all([user.request('ping'), user.request('ping'), user.request('health_check')]);
    expect(new Set(frames.map((frame) => frame.reply_to)).size).to.equal(3);
    user.send('ping');
    const without = await user.waitFor('pong', (frame) => frame.reply_to === undefined);
    expect(without).to.not.have.property('reply_to');
  });

  it('ping that is not answered by the health of the connection is no probe', async () => {
    const frame = await user.request('ping', {});
    expectMessage(frame, 'pong');
    expect(frame.data.connection_health).to.equal(true);
    expect(frame.data.uptime).to.be.a('number').and.be.at.least(0);
  });

  it('a pong for another connection must not pass for a sign of life of this one', async () => {
    const id = user.establishedData?.connection_id;
    user.send('pong');
    user.send('pong', { connection_id: id });
    const before = user.frames.length;
    const wrong = await user.request('pong', { connection_id: 'somebody-else' });
    expectMessage(wrong, 'error');
    expect(wrong.data.error_code).to.equal('VALIDATION_ERROR');
    expect(user.frames.length - before, 'a right pong was answered').to.equal(1);
  });

  it('connection status that disagrees with the registry and the subscriptions lies to its user (F4)', async () => {
    const client = await world.connect(node);
    await client.ask('unsubscribe_events', { event_types: ['zone_created'] }, 'subscription_updated');
    const frame = await client.request('get_connection_status');
    expectMessage(frame, 'connection_status');
    const { subscriptions } = await client.ask('get_subscription_info', {}, 'subscription_info');
    expect(frame.data).to.include({ user_id: client.establishedData?.user_id, status: 'connected', is_healthy: true });
    expect(frame.data).to.include({
      connection_id: client.establishedData?.connection_id,
      fence: client.establishedData?.fence,
    });
    expect(frame.data.subscriptions).to.deep.equal(subscriptions);
    expect(frame.data.message_count).to.equal(2);
  });

  it('health check that fails always, as the predecessor did (F6), tells nothing', async () => {
    const client = await world.connect(node);
    await client.request('nonsense');
    const sick = await client.request('health_check');
    expectMessage(sick, 'health_check_response');
    expect(sick.data).to.include({ websocket_state: 'connected', consecutive_errors: 1, connection_healthy: false });
    const well = await client.ask('health_check', {}, 'health_check_response');
    expect(well).to.include({ consecutive_errors: 0, connection_healthy: true, message_queue_size: 0, node: 'n1' });
  });

  it('an unknown type must name what may be sent, to each by his permissions', async () => {
    const forUser = await refusal(user, 'no_such_thing');
    expect(forUser.error_code).to.equal('UNKNOWN_MESSAGE_TYPE');
    expect(forUser.supported_types).to.include.members(['ping', 'subscribe_events', 'get_connection_status']);
    expect(forUser.supported_types).to.not.include.members(['disconnect_user']);
    const forAdmin = await refusal(admin, 'no_such_thing');
    expect(forAdmin.supported_types).to.include.members(['disconnect_user', 'publish_event']);
  });

  it('names that every object inherits must not pass for message types', async () => {
    for (const type of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'prototype']) {
      expect((await refusal(user, type)).error_code, type).to.equal('UNKNOWN_MESSAGE_TYPE');
    }
  });

  it('a second authenticate must not change who an open connection belongs to', async () => {
    const answer = await refusal(user, 'authenticate', { token: token('somebody', { roles: ['admin'] }) });
    expect(answer.error_code).to.equal('UNKNOWN_MESSAGE_TYPE');
    const status = await user.ask('get_connection_status', {}, 'connection_status');
    expect(status.user_id).to.equal('the-user');
  });

  it('a malformed envelope must cost an error message and not the connection', async () => {
    const bad = [
      'not json',
      '',
      'null',
      '[]',
      '"ping"',
      '7',
      '{}',
      '{"type":7}',
      '{"type":""}',
      '{"type":null}',
      '{"type":"ping","data":[]}',
      '{"type":"ping","data":null}',
      '{"type":"ping","data":"x"}',
      '{"type":"ping","id":7}',
      '{"type":"ping","id":""}',
      `{"type":"ping","id":"${'x'.repeat(129)}"}`,
      `{"type":"${'x'.repeat(65)}"}`,
      '{"type":"ping"',
      '{"type":"ping"} {"type":"ping"}',
    ];
    const client = await world.connect(node);
    for (const text of bad) client.ws.send(text);
    const errors = await until(
      () => {
        const frames = client.frames.filter((frame) => frame.type === 'error');
        return frames.length >= bad.length && frames;
      },
      { what: () => `${bad.length} errors; ${client.frames.length} frames` },
    );
    for (const error of errors) {
      expectMessage(error, 'error');
      expect(error.data).to.include({ error_code: 'MESSAGE_ERROR', recoverable: true });
    }
    expect((await client.request('ping')).type).to.equal('pong');
  });

  it('an error that names no request leaves whoever awaits the reply waiting, when only the envelope is malformed', async () => {
    const answer = await refusal(user, 'ping', 'rubbish');
    expect(answer.error_code).to.equal('MESSAGE_ERROR');
  });

  it('unknown fields of an envelope belong to later versions and are ignored; in data they are mistakes', async () => {
    user.ws.send('{"type":"ping","id":"later","timestamp":"2026-01-01T00:00:00Z","trace":{"a":1},"__proto__":{"x":1}}');
    await user.waitFor('pong', (frame) => frame.reply_to === 'later');
    const answer = await refusal(user, 'ping', { loud: true });
    expect(answer.error_code).to.equal('VALIDATION_ERROR');
    expect(answer.errors).to.have.length.greaterThan(0);
  });

  it('data of a wrong shape must be named by its place, for each message that takes data', async () => {
    const wrong: [TestClient, string, unknown][] = [
      [user, 'subscribe_events', undefined],
      [user, 'subscribe_events', { event_types: 'zone_created' }],
      [user, 'subscribe_events', { event_types: [] }],
      [user, 'subscribe_events', { event_types: [7] }],
      [user, 'subscribe_events', { event_types: [''] }],
      [user, 'subscribe_events', { event_types: Array.from({ length: 201 }, (_, index) => `t${index}`) }],
      [user, 'unsubscribe_events', { event_types: { zone_created: true } }],
      [user, 'get_subscription_info', { all: true }],
      [user, 'pong', { connection_id: 7 }],
      [admin, 'disconnect_user', {}],
      [admin, 'disconnect_user', { user_id: '' }],
      [admin, 'disconnect_user', { user_id: 7 }],
      [admin, 'disconnect_user', { user_id: 'x'.repeat(129) }],
      // Nobody can have such an id: no key of Redis can be made of it, which was answered UNAVAILABLE.
      [admin, 'disconnect_user', { user_id: '\ud800' }],
      [admin, 'disconnect_user', { user_id: 'é'.repeat(65) }],
      [admin, 'disconnect_user', { user_id: 'x', ban_seconds: 0 }],
      [admin, 'disconnect_user', { user_id: 'x', ban_seconds: 1.5 }],
      [admin, 'disconnect_user', { user_id: 'x', reason: 'x'.repeat(101) }],
      [admin, 'publish_event', {}],
      [admin, 'publish_event', { event_type: 'custom_event' }],
      [admin, 'publish_event', { event_type: 'custom_event', data: [] }],
      [admin, 'publish_event', { event_type: 'custom_event', data: {}, priority: 'panic' }],
      [admin, 'publish_event', { event_type: 'custom_event', data: {}, id: 'a b' }],
      [admin, 'publish_event', { event_type: 'custom_event', data: {}, delay_ms: -1 }],
      [admin, 'publish_event', { event_type: 'custom_event', data: {}, deliver_at: 'tomorrow' }],
      [admin, 'publish_event', { event_type: 'custom_event', data: {}, roles: [] }],
      [admin, 'publish_event', { event_type: 'custom_event', data: {}, shout: true }],
    ];
    const answers = await Promise.all(wrong.map(([client, type, data]) => client.request(type, data)));
    for (const [index, answer] of answers.entries()) {
      expectMessage(answer, 'validation_error');
      expect(answer.data.error_code, JSON.stringify(wrong[index]?.slice(1))).to.equal('VALIDATION_ERROR');
    }
  });

  it('an admin message from a user must be refused by its permission, not by its data', async () => {
    const denied = await refusal(user, 'disconnect_user', { user_id: 'the-admin' });
    expect(denied).to.include({ error_code: 'PERMISSION_DENIED' });
    expect((await refusal(user, 'disconnect_user', 'rubbish')).error_code).to.equal('MESSAGE_ERROR');
    expect((await refusal(user, 'disconnect_user', {})).error_code).to.equal('PERMISSION_DENIED');
    expect((await refusal(user, 'publish_event', { event_type: 'custom_event', data: {} })).error_code).to.equal(
      'PERMISSION_DENIED',
    );
    expect(admin.isOpen).to.equal(true);
  });

  it('disconnect that reports success for nobody, as the predecessor did, hides a mistyped user', async () => {
    const none = await admin.ask('disconnect_user', { user_id: 'nobody-of-that-name' }, 'user_disconnected');
    expect(none).to.include({ result: 'not_connected', node_id: null, reason: null });
    const victim = await world.connect(node);
    const id = victim.establishedData?.user_id;
    const done = await admin.ask('disconnect_user', { user_id: id, reason: 'maintenance' }, 'user_disconnected');
    expect(done).to.include({ user_id: id, result: 'closed', node_id: 'n1', reason: 'maintenance' });
    expect(done.took_ms).to.be.within(0, 2000);
    expect(await victim.closed()).to.include({ code: 4002, reason: 'maintenance' });
  });

  it('a close reason longer than a close frame must be cut, or the library throws instead of closing', async () => {
    const victim = await world.connect(node);
    const reason = 'ж'.repeat(100);
    await admin.ask('disconnect_user', { user_id: victim.establishedData?.user_id, reason }, 'user_disconnected');
    expect(await victim.closed()).to.include({ code: 4002, reason: 'ж'.repeat(61) });
  });

  it('an admin action that leaves no record cannot be answered for', async () => {
    const redis = world.redis.client();
    const victim = await world.connect(node);
    const target = victim.establishedData?.user_id ?? '';
    await admin.ask('disconnect_user', { user_id: target, reason: 'audited' }, 'user_disconnected');
    const record = await until(
      async () => {
        const rows = await redis.xrevrange('uws:audit', '+', '-', 'COUNT', 10);
        return rows.map(([, fields]) => fields).find((fields) => fields.includes(target) && fields.includes('of'));
      },
      { what: 'an audit record' },
    );
    expect(record).to.include.members(['disconnect', 'the-admin', 'audited', 'closed', '127.0.0.1', 'websocket']);
  });

  it('publish that is acknowledged with another id than the event carries cannot be followed', async () => {
    const accepted = await admin.request('publish_event', { event_type: 'custom_event', data: { name: 'a', n: 1 } });
    expectMessage(accepted, 'event_accepted');
    expect(accepted.data).to.include({ queue: 'events-0', duplicate: false });
    const event = await user.waitFor('custom_event', (frame) => frame.id === accepted.data.event_id);
    expect(event.data).to.deep.equal({ name: 'a', n: 1 });
    expect(event).to.include({ scope: 'broadcast', priority: 'normal', severity: 'info', category: 'custom' });
  });

  it('a repeat of a publish with the same id must not become a second event, nor take away another publisher (L2)', async () => {
    const other = await world.admin(node);
    const publish = (client: TestClient, n: number) =>
      client.ask('publish_event', { event_type: 'custom_event', data: { once: n }, id: 'order-1' }, 'event_accepted');
    const first = await publish(admin, 1);
    await user.waitFor('custom_event', (frame) => frame.id === first.event_id);
    const again = await publish(admin, 2);
    const others = await publish(other, 3);
    expect(again).to.include({ event_id: first.event_id, duplicate: true });
    expect(others.duplicate).to.equal(false);
    expect(others.event_id).to.not.equal(first.event_id);
    await user.waitFor('custom_event', (frame) => frame.id === others.event_id);
    expect(user.events.filter((frame) => 'once' in frame.data).map((frame) => frame.data.once)).to.deep.equal([1, 3]);
  });

  it('what this version cannot deliver must be refused and not accepted in silence', async () => {
    const refused = [
      { event_type: 'no_such_event', data: {} },
      { event_type: 'custom_event', data: {}, delivery: 'ephemeral', delay_ms: 1 },
      { event_type: 'ping', data: {} },
    ];
    for (const event of refused) {
      expect((await refusal(admin, 'publish_event', event)).error_code, event.event_type).to.equal('VALIDATION_ERROR');
    }
  });
});
