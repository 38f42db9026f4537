import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { PairWorld } from '../support/pairWorld.js';
import { expectMessage } from '../support/schemas.js';

const SECURITY = [
  'malware_blocked',
  'phishing_blocked',
  'rpz_rule_created',
  'rpz_rule_deleted',
  'rpz_rule_updated',
  'rpz_update',
  'security_alert',
  'security_threat_detected',
  'suspicious_activity',
  'threat_detected',
  'threat_feed_update',
];

describe('subscriptions by category', function () {
  this.timeout(10_000);
  const world = PairWorld.make();

  const subscribe = (client: TestClient, ...categories: string[]) =>
    client.ask('subscribe_category', { categories }, 'category_subscription_updated');
  const unsubscribe = (client: TestClient, ...categories: string[]) =>
    client.ask('unsubscribe_category', { categories }, 'category_subscription_updated');
  const single = (client: TestClient, type: 'subscribe_events' | 'unsubscribe_events', ...event_types: string[]) =>
    client.ask(type, { event_types }, 'subscription_updated');

  it('a category must bring all of its types, from the reply on and after a reconnect', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    const frame = await client.request('subscribe_category', { categories: ['security'] });
    expectMessage(frame, 'category_subscription_updated');
    expect(frame.data).to.deep.include({ categories: ['security'], errors: [] });
    expect(frame.data.subscriptions).to.include.members(SECURITY);
    expect(await world.received(client, SECURITY)).to.deep.equal(SECURITY);
    const info = await client.request('get_subscription_info');
    expectMessage(info, 'subscription_info');
    expect(info.data.subscribed_categories).to.deep.equal(['security']);
    await client.close();
    const again = await world.connect(world.two, user);
    expect(again.establishedData?.subscriptions).to.deep.equal(frame.data.subscriptions);
  });

  it('the five groups of the predecessor stand for their categories', async () => {
    const client = await world.admin(world.one);
    const groups = {
      health: ['health'],
      dns_management: ['bulk_operation', 'dns'],
      security: ['security'],
      system: ['error', 'system'],
      admin: ['audit', 'user'],
    };
    for (const [group, categories] of Object.entries(groups)) {
      expect((await subscribe(client, group)).categories, group).to.deep.equal(categories);
      expect((await unsubscribe(client, group)).categories, group).to.deep.equal([]);
    }
  });

  it('types that are not permitted must be named, and must not cost the others', async () => {
    const client = await world.connect(world.one);
    const { subscriptions, categories, errors } = await subscribe(client, 'system', 'audit', 'nope', 'constructor');
    expect(subscriptions).to.include.members(['backup_failed', 'error_occurred']).and.not.include('service_started');
    expect(categories).to.deep.equal(['error', 'system']);
    expect(errors).to.deep.include.members([
      { category: 'nope', error: 'unknown_category' },
      { category: 'constructor', error: 'unknown_category' },
      { category: 'system', event_type: 'service_started', error: 'permission_denied' },
      { category: 'error', event_type: 'debug_info', error: 'permission_denied' },
      { category: 'audit', event_type: 'audit_log', error: 'permission_denied' },
    ]);
    expect(errors).to.have.length(9);
    expect(await world.received(client, ['service_started', 'backup_failed'])).to.deep.equal(['backup_failed']);
  });

  it('a type that was dropped one by one must stay dropped, also when the SDK repeats the category', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    await subscribe(client, 'security');
    await single(client, 'unsubscribe_events', 'malware_blocked', 'rpz_update');
    const { subscriptions } = await subscribe(client, 'security');
    expect(subscriptions).to.not.include.members(['malware_blocked', 'rpz_update']);
    expect(subscriptions).to.include('phishing_blocked');
    await client.close();
    const again = await world.connect(world.two, user);
    expect(again.establishedData?.subscriptions).to.deep.equal(subscriptions);
    await single(again, 'subscribe_events', 'malware_blocked');
    expect(await world.received(again, ['malware_blocked', 'rpz_update'])).to.deep.equal(['malware_blocked']);
  });

  it('a category that is dropped must take its defaults and single types along, and stay dropped', async () => {
    const user = world.user();
    const client = await world.connect(world.one, user);
    const defaults = client.establishedData?.subscriptions ?? [];
    await single(client, 'subscribe_events', 'malware_blocked');
    const { subscriptions, categories } = await unsubscribe(client, 'security');
    expect(categories).to.deep.equal([]);
    expect(subscriptions).to.deep.equal(defaults.filter((type) => !SECURITY.includes(type)));
    expect(await world.received(client, SECURITY)).to.deep.equal([]);
    expect((await unsubscribe(client, 'security')).subscriptions).to.deep.equal(subscriptions);
    await client.close();
    const again = await world.connect(world.two, user);
    expect(again.establishedData?.subscriptions).to.deep.equal(subscriptions);
    expect((await subscribe(again, 'security')).subscriptions).to.include.members(SECURITY);
  });

  it('a category that would exceed the limit must be refused whole, not cut at random', async () => {
    const tight = await world.node({ MAX_SUBSCRIPTIONS: '20' });
    const client = await world.connect(tight);
    const { errors, categories, subscriptions } = await subscribe(client, 'security', 'dns', 'error');
    expect(errors).to.deep.include.members([
      { category: 'security', error: 'subscription_limit' },
      { category: 'dns', error: 'subscription_limit' },
    ]);
    expect(categories).to.deep.equal(['error']);
    expect(subscriptions).to.have.length(18);
  });

  it('a change that Redis did not store must not be confirmed, nor made (L7)', async () => {
    const client = await world.connect(world.one);
    const redis = world.redis.client();
    const key = `uws:{u:${client.establishedData?.user_id}}:subs`;
    await redis.set(key, 'not a hash');
    const answer = await client.request('subscribe_category', { categories: ['security'] });
    expect(answer.data).to.include({ error_code: 'UNAVAILABLE' });
    await redis.del(key);
    const info = await client.ask('get_subscription_info', {}, 'subscription_info');
    expect(info).to.deep.include({ subscriptions: client.establishedData?.subscriptions, subscribed_categories: [] });
  });
});
