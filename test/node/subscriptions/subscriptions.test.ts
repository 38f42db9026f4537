import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { logOf, storedEvent } from '../support/events.js';
import { PairWorld } from '../support/pairWorld.js';
import { expectMessage } from '../support/schemas.js';

const USER_DEFAULTS = [
  'admin_broadcast',
  'bind_reload',
  'config_change',
  'custom_event',
  'health_update',
  'notification_sent',
  'record_created',
  'record_deleted',
  'record_updated',
  'rpz_update',
  'security_alert',
  'system_status',
  'threat_detected',
  'zone_created',
  'zone_deleted',
  'zone_updated',
];

describe('subscriptions', function () {
  this.timeout(10_000);
  const world = PairWorld.make();

  const subscribe = (client: TestClient, ...event_types: string[]) =>
    client.ask('subscribe_events', { event_types }, 'subscription_updated');
  const unsubscribe = (client: TestClient, ...event_types: string[]) =>
    client.ask('unsubscribe_events', { event_types }, 'subscription_updated');

  it('defaults that connection_established lists and nobody delivers lie to every user (F4)', async () => {
    const client = await world.connect(world.one);
    expect(client.establishedData?.subscriptions).to.deep.equal(USER_DEFAULTS);
    expect(await world.received(client, USER_DEFAULTS)).to.deep.equal(USER_DEFAULTS);
    const admin = await world.admin(world.one);
    expect(admin.establishedData?.subscriptions).to.include.members([
      ...USER_DEFAULTS,
      'user_login',
      'session_expired',
    ]);
  });

  it('a reply that lists the additions alone leaves the client guessing at its subscriptions (F5)', async () => {
    const client = await world.connect(world.one);
    const frame = await client.request('subscribe_events', { event_types: ['zone_imported', 'disk_metrics'] });
    expectMessage(frame, 'subscription_updated');
    const all = [...USER_DEFAULTS, 'zone_imported', 'disk_metrics'].sort();
    expect(frame.data.subscriptions).to.deep.equal(all);
    const info = await client.request('get_subscription_info');
    expectMessage(info, 'subscription_info');
    expect(info.data.subscriptions).to.deep.equal(all);
    expect(info.data.limit).to.equal(200);
    expect(info.data.categories).to.deep.equal(['custom', 'dns', 'health', 'security', 'system']);
    expect(info.data.available).to.include.members(['zone_imported', 'health_alert']).and.not.include('user_login');
    const after = await unsubscribe(client, 'zone_imported', 'zone_created');
    expect(after.subscriptions).to.deep.equal(all.filter((type) => !['zone_imported', 'zone_created'].includes(type)));
  });

  it('a repeated subscribe or unsubscribe that counts as an error punishes every retry (F5)', async () => {
    const client = await world.connect(world.one);
    const first = await subscribe(client, 'zone_imported', 'zone_imported', 'zone_created');
    const second = await subscribe(client, 'zone_imported');
    expect(second).to.deep.include({ subscriptions: first.subscriptions, errors: [] });
    await unsubscribe(client, 'zone_imported');
    const gone = await unsubscribe(client, 'zone_imported');
    expect(gone).to.deep.include({ subscriptions: USER_DEFAULTS, errors: [] });
  });

  it('one unknown or forbidden type must not lose the rest of the request, nor pass in silence', async () => {
    const client = await world.connect(world.one);
    const answer = await subscribe(client, 'zone_imported', 'nope', 'user_login', '__proto__', 'constructor');
    expect(answer.errors).to.deep.equal([
      { event_type: 'nope', error: 'unknown_event_type' },
      { event_type: 'user_login', error: 'permission_denied' },
      { event_type: '__proto__', error: 'unknown_event_type' },
      { event_type: 'constructor', error: 'unknown_event_type' },
    ]);
    expect(answer.subscriptions).to.deep.equal([...USER_DEFAULTS, 'zone_imported'].sort());
    expect((await unsubscribe(client, 'nope')).errors).to.deep.equal([
      { event_type: 'nope', error: 'unknown_event_type' },
    ]);
    expect(await world.received(client, ['user_login', 'zone_imported'])).to.deep.equal(['zone_imported']);
  });

  it('an event of a type that was not subscribed to must not be delivered, and one that was, from the reply on', async () => {
    const client = await world.connect(world.one);
    expect(await world.received(client, ['zone_imported', 'zone_created'])).to.deep.equal(['zone_created']);
    await subscribe(client, 'zone_imported');
    expect(await world.received(client, ['zone_imported', 'zone_created'])).to.deep.equal([
      'zone_imported',
      'zone_created',
    ]);
    await unsubscribe(client, 'zone_imported', 'zone_created');
    expect(await world.received(client, ['zone_imported', 'zone_created'])).to.deep.equal([]);
  });

  it('what a user chose must stand after a reconnect, on whatever node, a dropped default too', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    await subscribe(client, 'zone_imported');
    const { subscriptions } = await unsubscribe(client, 'zone_created', 'custom_event');
    await client.close();
    const again = await world.connect(world.two, user);
    expect(again.establishedData?.subscriptions).to.deep.equal(subscriptions);
    expect(await world.received(again, ['zone_created', 'zone_imported'])).to.deep.equal(['zone_imported']);
    await subscribe(again, 'zone_created', 'custom_event');
    await unsubscribe(again, 'zone_imported');
    await again.close();
    expect((await world.connect(world.one, user)).establishedData?.subscriptions).to.deep.equal(USER_DEFAULTS);
  });

  it('all defaults dropped must not read as "never chosen" at the next connect', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    expect((await unsubscribe(client, ...USER_DEFAULTS)).subscriptions).to.deep.equal([]);
    await client.close();
    const again = await world.connect(world.one, user);
    expect(again.establishedData?.subscriptions).to.deep.equal([]);
  });

  it('a saved subscription must not outlive the permission for it', async () => {
    const user = world.user();
    const admin = await world.connect(world.one, user, ['admin']);
    await subscribe(admin, 'audit_log', 'zone_imported');
    await admin.close();
    const demoted = await world.connect(world.one, user, ['user']);
    expect(demoted.establishedData?.subscriptions).to.include('zone_imported').and.not.include('audit_log');
    expect(await world.received(demoted, ['audit_log'])).to.deep.equal([]);
    await demoted.close();
    const promoted = await world.connect(world.one, user, ['admin']);
    expect(promoted.establishedData?.subscriptions).to.include('audit_log');
  });

  it('a permission in the token itself is as good as one of a role', async () => {
    const user = world.user();
    const text = token(user, { claims: { permissions: ['events:admin'] } });
    const client = await world.connect(world.one, user, [], { token: text });
    expect((await subscribe(client, 'user_login')).errors).to.deep.equal([]);
    expect(await world.received(client, ['user_login'])).to.deep.equal(['user_login']);
  });

  it('subscriptions without bound would let one client fill memory and every cohort table', async () => {
    const tight = await world.node({ MAX_SUBSCRIPTIONS: '18' });
    const client = await world.connect(tight);
    const answer = await subscribe(client, 'zone_imported', 'zone_exported', 'disk_metrics', 'zone_created');
    expect(answer.errors).to.deep.equal([{ event_type: 'disk_metrics', error: 'subscription_limit' }]);
    expect(answer.subscriptions).to.have.length(18);
    await unsubscribe(client, 'zone_created');
    expect((await subscribe(client, 'disk_metrics')).errors).to.deep.equal([]);
  });

  it('a change that Redis did not store must not be confirmed, nor made (L7)', async () => {
    const client = await world.connect(world.one);
    const redis = world.redis.client();
    // A key of another kind: the server can only fail to write.
    const key = `uws:{u:${client.establishedData?.user_id}}:subs`;
    await redis.set(key, 'not a hash');
    const answer = await client.request('subscribe_events', { event_types: ['zone_imported'] });
    expectMessage(answer, 'error');
    expect(answer.data).to.include({ error_code: 'UNAVAILABLE', recoverable: true });
    await redis.del(key);
    const { subscriptions } = await client.ask('get_subscription_info', {}, 'subscription_info');
    expect(subscriptions).to.deep.equal(USER_DEFAULTS);
    expect(await world.received(client, ['zone_imported'])).to.deep.equal([]);
  });

  it('a change between two events of one burst must cut exactly at its reply: none lost, none twice (L5)', async () => {
    const client = await world.connect(world.one);
    const log = logOf(world.redis);
    const count = 300;
    const appended = (async () => {
      for (let n = 0; n < count; n += 1) await log.append([storedEvent({ n }, { type: 'zone_created' })]);
    })();
    for (let n = 0; n < 40; n += 1) {
      await unsubscribe(client, 'disk_metrics');
      await subscribe(client, 'disk_metrics');
    }
    await appended;
    await client.waitFor('zone_created', (frame) => frame.data.n === count - 1);
    const numbers = client.events.map((frame) => frame.data.n);
    expect(numbers).to.deep.equal(Array.from({ length: count }, (_, n) => n));
  });

  it('a reply must come after the last event of the old subscriptions, or the client applies it too early', async () => {
    const client = await world.connect(world.one);
    const log = logOf(world.redis);
    let running = true;
    const appended = (async () => {
      for (let n = 0; running; n += 1) await log.append([storedEvent({ n }, { type: 'zone_created' })]);
    })();
    for (let round = 0; round < 20; round += 1) {
      await unsubscribe(client, 'zone_created');
      await subscribe(client, 'zone_created');
    }
    running = false;
    await appended;
    let subscribed = true;
    for (const frame of client.frames) {
      if (frame.type === 'subscription_updated') {
        subscribed = (frame.data.subscriptions as string[]).includes('zone_created');
      } else if (frame.type === 'zone_created') {
        expect(subscribed, 'an event after the reply that ended its subscription').to.equal(true);
      }
    }
    await until(() => client.events.length > 0, { what: 'events at all' });
  });
});
