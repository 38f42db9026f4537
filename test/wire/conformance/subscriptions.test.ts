import { expect } from 'chai';
import type { Case } from './support/case.js';
import type { Client, Data } from './support/client.js';
import { covers } from './support/coverage.js';
import { targetOf } from './support/target.js';

/** Types of the default catalogue: subscribed to by nobody unless asked for, and only for administrators. */
const EXTRA_TYPE = 'zone_imported';
const ADMIN_TYPE = 'audit_log';

/** The user, whose subscriptions are put back at the end. */
async function subscriber(t: Case): Promise<Client> {
  const client = await t.user();
  await t.keepSubscriptions(client, () => t.user());
  return client;
}

const typesOf = (data: Data): string[] => data.subscriptions as string[];

describe('subscriptions', () => {
  covers(
    { client: ['subscribe_events', 'unsubscribe_events'], server: ['subscription_updated'] },
    'subscribing and unsubscribing are idempotent, and each reply holds the full list',
    async (t) => {
      const client = await subscriber(t);
      await client.ask('unsubscribe_events', { event_types: [EXTRA_TYPE] }, 'subscription_updated');
      const before = typesOf(await client.ask('get_subscription_info', {}, 'subscription_info'));
      for (let n = 0; n < 2; n += 1) {
        const reply = await client.ask(
          'subscribe_events',
          { event_types: [EXTRA_TYPE, EXTRA_TYPE] },
          'subscription_updated',
        );
        expect(typesOf(reply)).to.have.members([...before, EXTRA_TYPE]);
        expect(reply.errors).to.deep.equal([]);
      }
      for (let n = 0; n < 2; n += 1) {
        const reply = await client.ask('unsubscribe_events', { event_types: [EXTRA_TYPE] }, 'subscription_updated');
        expect(typesOf(reply)).to.have.members(before);
        expect(reply.errors).to.deep.equal([]);
      }
    },
  );

  covers(
    { client: ['subscribe_events'], server: ['subscription_updated'] },
    'each type is checked for itself: one that is unknown or not permitted does not spoil the others',
    async (t) => {
      const client = await subscriber(t);
      const reply = await client.ask(
        'subscribe_events',
        { event_types: ['no_such_type', ADMIN_TYPE, EXTRA_TYPE] },
        'subscription_updated',
      );
      expect(typesOf(reply)).to.include(EXTRA_TYPE).and.not.include(ADMIN_TYPE);
      expect(reply.errors).to.have.deep.members([
        { event_type: 'no_such_type', error: 'unknown_event_type' },
        { event_type: ADMIN_TYPE, error: 'permission_denied' },
      ]);
    },
  );

  covers(
    { client: ['unsubscribe_events'], server: ['subscription_updated'] },
    'a default can be dropped, an unknown type is named, and what is dropped stays dropped on the next connection',
    async (t) => {
      const client = await subscriber(t);
      const [dropped] = typesOf(client.establishedData) as [string];
      const reply = await client.ask(
        'unsubscribe_events',
        { event_types: [dropped, 'no_such_type'] },
        'subscription_updated',
      );
      expect(typesOf(reply)).to.not.include(dropped);
      expect(reply.errors).to.deep.equal([{ event_type: 'no_such_type', error: 'unknown_event_type' }]);
      const again = await t.user();
      expect(typesOf(again.establishedData)).to.have.members(typesOf(reply));
    },
  );

  covers(
    { client: ['subscribe_category', 'unsubscribe_category'], server: ['category_subscription_updated'] },
    'a category is subscribed to as a whole, and dropped as a whole, defaults too',
    async (t) => {
      const client = await subscriber(t);
      const { event_types } = await t.target.info();
      const dns = Object.entries(event_types).flatMap(([type, { category }]) => (category === 'dns' ? [type] : []));
      for (let n = 0; n < 2; n += 1) {
        const reply = await client.ask('subscribe_category', { categories: ['dns'] }, 'category_subscription_updated');
        expect(typesOf(reply)).to.include.members(dns);
        expect(reply.categories).to.include('dns');
        expect(reply.errors).to.deep.equal([]);
      }
      for (let n = 0; n < 2; n += 1) {
        const reply = await client.ask(
          'unsubscribe_category',
          { categories: ['dns'] },
          'category_subscription_updated',
        );
        expect(typesOf(reply).filter((type) => dns.includes(type))).to.deep.equal([]);
        expect(reply.categories).to.not.include('dns');
      }
    },
  );

  covers(
    { client: ['subscribe_category'], server: ['category_subscription_updated'] },
    'a category that there is not is named, and so is each type in it that this user may not have',
    async (t) => {
      const client = await subscriber(t);
      const reply = await client.ask(
        'subscribe_category',
        { categories: ['no_such_category', 'audit'] },
        'category_subscription_updated',
      );
      const errors = reply.errors as Data[];
      expect(errors).to.deep.include({ category: 'no_such_category', error: 'unknown_category' });
      expect(errors).to.deep.include({ category: 'audit', event_type: ADMIN_TYPE, error: 'permission_denied' });
      expect(typesOf(reply)).to.not.include(ADMIN_TYPE);
    },
  );

  covers(
    { client: ['get_subscription_info'], server: ['subscription_info'] },
    'what is subscribed, what could be, and how much can be, agrees with connection_established',
    async (t) => {
      const client = await t.user();
      const info = await client.ask('get_subscription_info', undefined, 'subscription_info');
      expect(typesOf(info)).to.have.members(typesOf(client.establishedData));
      const { event_types, limits } = await t.target.info();
      const permissions = client.establishedData.permissions as string[];
      const mine = Object.entries(event_types).filter(([, { permission }]) => permissions.includes(permission));
      expect(info.available).to.have.members(mine.map(([type]) => type));
      expect(info.limit).to.equal(limits.max_subscriptions);
      const categories = new Set(typesOf(info).map((type) => event_types[type]?.category));
      expect(info.categories).to.have.members([...categories]);
    },
  );

  covers(
    { client: ['subscribe_events', 'subscribe_category'], needs: ['small'] },
    'over the limit each further type is refused, and a category that does not fit as a whole',
    async (t) => {
      const client = await t.user({}, targetOf('small').next());
      const { limit, available, subscriptions } = await client.ask('get_subscription_info', {}, 'subscription_info');
      const more = (available as string[]).filter((type) => !(subscriptions as string[]).includes(type));
      t.undo(() => client.ask('unsubscribe_events', { event_types: more }, 'subscription_updated'));
      const reply = await client.ask('subscribe_events', { event_types: more }, 'subscription_updated');
      expect(typesOf(reply)).to.have.length(Number(limit));
      const errors = reply.errors as Data[];
      expect(errors.length).to.equal(more.length - (Number(limit) - (subscriptions as string[]).length));
      expect(new Set(errors.map(({ error }) => error))).to.deep.equal(new Set(['subscription_limit']));
      const whole = await client.ask(
        'subscribe_category',
        { categories: ['bulk_operation'] },
        'category_subscription_updated',
      );
      expect(whole.errors).to.deep.equal([{ category: 'bulk_operation', error: 'subscription_limit' }]);
    },
  );
});
