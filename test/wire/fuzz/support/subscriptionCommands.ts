import { REST_BASE, type ServerData, type ServerMessageType } from '@unified-ws/protocol';
import { expect } from 'chai';
import fc from 'fast-check';
import { expectMessage } from '../../../node/support/schemas.js';
import type { LocalNode, World } from '../../../node/support/world.js';
import type { Received, TestClient } from '../../../support/client.js';
import { token } from '../../../support/tokens.js';
import { FUZZED_TYPES, type Grants, ROLES, type SubscriptionModel, TYPES } from './subscriptionModel.js';

/** Older than any order of permissions-changed, so that each of them concerns it. */
const AGE_S = 600;

/** The user of one run, on one of two nodes. */
export class SubscribedUser {
  readonly id: string;
  readonly world: World;
  readonly nodes: readonly LocalNode[];
  private readonly adminToken: string;
  private client: TestClient | null = null;
  private published = 0;

  constructor(world: World, nodes: readonly LocalNode[], adminToken: string) {
    this.world = world;
    this.nodes = nodes;
    this.adminToken = adminToken;
    this.id = world.user('modelled');
  }

  get current(): TestClient {
    if (!this.client) throw new Error('not connected yet');
    return this.client;
  }

  tokenOf(roles: readonly string[]): string {
    return token(this.id, { roles, claims: { iat: Math.floor(Date.now() / 1000) - AGE_S } });
  }

  async connect(node: number, roles: readonly string[]): Promise<void> {
    this.client = this.world.dial(this.nodes[node] as LocalNode, { token: this.tokenOf(roles) });
    await this.client.established();
  }

  async ask<T extends ServerMessageType>(type: string, data: unknown, reply: T): Promise<ServerData<T>> {
    const frame = await this.current.request(type, data);
    expectMessage(frame, reply);
    return frame.data as ServerData<T>;
  }

  async rest(method: string, path: string, body: unknown): Promise<unknown> {
    const headers = { authorization: `Bearer ${this.adminToken}`, 'content-type': 'application/json' };
    const node = this.nodes[this.published % 2] as LocalNode;
    const response = await fetch(`${node.http}${REST_BASE}/${path}`, { method, headers, body: JSON.stringify(body) });
    const text = await response.text();
    expect(response.ok, text).to.equal(true);
    return JSON.parse(text);
  }

  /** The types of which an event reached the connection, each published once. */
  async received(targeted: boolean): Promise<string[]> {
    this.published += 1;
    const run = `${this.id}-${this.published}`;
    const common = { data: { run }, ordering_key: 'one', ...(targeted ? { target_user_ids: [this.id] } : {}) };
    // Ephemeral events keep no order with others; targeted ones lie in another place than the rest.
    const durable = TYPES.filter((type) => type !== 'mark' && type !== 'c2');
    const { client } = this;
    await this.rest('POST', 'events', [
      ...durable.map((event_type) => ({ event_type, ...common })),
      { event_type: 'c2', delivery: 'durable', ...common },
      { event_type: 'mark', ...common },
    ]);
    const mine = (frame: Received): boolean => frame.scope !== undefined && frame.data.run === run;
    await this.current.waitFor('mark', mine);
    expect(this.client).to.equal(client);
    return this.current.frames.filter(mine).map(({ type }) => type);
  }
}

type Command = fc.AsyncCommand<SubscriptionModel, SubscribedUser>;

/** A command as its name, what it does to the model, and what the real thing must do then. */
function command(name: string, run: Command['run']): Command {
  return { check: () => true, run, toString: () => name };
}

const typeNames = fc.array(fc.constantFrom(...FUZZED_TYPES, 'nope', '__proto__'), { minLength: 1, maxLength: 4 });
const categoryNames = fc.array(fc.constantFrom('a', 'b', 'c', 'ab', 'nope'), { minLength: 1, maxLength: 3 });
const roles = fc.constantFrom(...ROLES.map((role) => [role]), ['user', 'viewer']);
/** `mark` must stay permitted, or nothing tells that nothing comes. */
const grants = fc.oneof(
  roles.map((names): Grants => ({ roles: names })),
  fc.constantFrom(['events:admin'], []).map((permissions): Grants => ({ permissions })),
  roles.map((names): Grants => ({ roles: names, permissions: ['events:admin'] })),
);

const subscribing = fc.tuple(fc.boolean(), typeNames).map(([on, event_types]) => {
  const type = on ? 'subscribe_events' : 'unsubscribe_events';
  return command(`${type} ${event_types}`, async (model, user) => {
    const errors = on ? model.subscribe(event_types) : model.unsubscribe(event_types);
    const reply = await user.ask(type, { event_types }, 'subscription_updated');
    expect(reply.errors).to.deep.equal(errors);
    expect(reply.subscriptions).to.deep.equal(model.subscriptions);
    expect(reply.reason).to.equal(undefined);
  });
});

const byCategory = fc.tuple(fc.boolean(), categoryNames).map(([on, categories]) => {
  const type = on ? 'subscribe_category' : 'unsubscribe_category';
  return command(`${type} ${categories}`, async (model, user) => {
    const errors = on ? model.subscribeCategories(categories) : model.unsubscribeCategories(categories);
    const reply = await user.ask(type, { categories }, 'category_subscription_updated');
    expect(reply.errors).to.have.deep.members(errors);
    expect(reply.subscriptions).to.deep.equal(model.subscriptions);
    expect(reply.categories).to.deep.equal(model.subscribedCategories);
  });
});

const publish = fc.boolean().map((targeted) =>
  command(targeted ? 'publish to the user' : 'publish to all', async (model, user) => {
    expect((await user.received(targeted)).sort()).to.deep.equal(model.delivered);
  }),
);

const reconnect = fc.tuple(fc.nat(1), fc.boolean()).map(([node, replaces]) =>
  command(`${replaces ? 'take over' : 'reconnect'} on ${node}`, async (model, user) => {
    const former = user.current;
    if (!replaces) await former.close();
    await user.connect(node, model.roles);
    expect(user.current.establishedData?.subscriptions).to.have.members(model.subscriptions);
    if (replaces) expect((await former.closed()).code).to.equal(4001);
  }),
);

const permissionsChanged = grants.map((order) =>
  command(`permissions-changed ${JSON.stringify(order)}`, async (model, user) => {
    const before = model.subscriptions;
    model.amend(order);
    const seen = user.current.frames.length;
    expect(await user.rest('POST', `users/${user.id}/permissions-changed`, order)).to.include({ result: 'applied' });
    await reported(user, model, before, seen, 'permissions_changed');
  }),
);

const refresh = roles.map((names) =>
  command(`refresh_token with ${names}`, async (model, user) => {
    const before = model.subscriptions;
    model.roles = names;
    const seen = user.current.frames.length;
    const reply = await user.ask('refresh_token', { token: user.tokenOf(names) }, 'token_refreshed');
    const gone = before.filter((type) => !model.subscriptions.includes(type));
    expect(reply.removed_subscriptions).to.have.members(gone);
    await reported(user, model, before, seen, 'token_refreshed');
  }),
);

/** One message with the new list when it changed, none when it did not. */
async function reported(
  user: SubscribedUser,
  model: SubscriptionModel,
  before: readonly string[],
  seen: number,
  reason: string,
) {
  await user.ask('ping', undefined, 'pong');
  const changes = user.current.frames.slice(seen).filter(({ type }) => type === 'subscription_updated');
  const after = model.subscriptions;
  if (before.join() === after.join()) {
    expect(changes).to.deep.equal([]);
    return;
  }
  const denied = before
    .filter((type) => !after.includes(type) && !model.permits(type))
    .map((event_type) => ({ event_type, error: 'permission_denied' }));
  expect(changes.map(({ data }) => ({ ...data, updated_at: '' }))).to.deep.equal([
    { subscriptions: after, errors: denied, updated_at: '', reason },
  ]);
}

const mute = fc.subarray([...FUZZED_TYPES], { maxLength: 3 }).map((muted_event_types) =>
  command(`mute ${muted_event_types}`, async (model, user) => {
    model.mute(muted_event_types);
    const { preferences } = await user.ask(
      'set_message_preferences',
      { preferences: { muted_event_types } },
      'message_preferences_updated',
    );
    expect(preferences.muted_event_types).to.deep.equal(muted_event_types);
  }),
);

const want = fc.subarray(['a', 'b', 'c', 'ab'], { maxLength: 2 }).map((names) => {
  const categories = names.length === 0 ? [] : [...names, 'm'];
  return command(`want ${categories}`, async (model, user) => {
    model.want(categories);
    await user.ask('set_message_preferences', { preferences: { categories } }, 'message_preferences_updated');
  });
});

/** Another way of delivery: served by itself, not in a cohort (L5). */
const individually = fc.boolean().map((batch_messages) =>
  command(`batch ${batch_messages}`, async (_model, user) => {
    await user.ask('set_message_preferences', { preferences: { batch_messages } }, 'message_preferences_updated');
  }),
);

const look = fc.constant(
  command('look', async (model, user) => {
    const info = await user.ask('get_subscription_info', undefined, 'subscription_info');
    expect(info.subscriptions).to.deep.equal(model.subscriptions);
    expect(info.available).to.have.members(TYPES.filter((type) => model.permits(type)));
    expect(info.subscribed_categories).to.deep.equal(model.subscribedCategories);
  }),
);

/** What may happen to the subscriptions of a user. */
export const COMMANDS: fc.Arbitrary<Command>[] = [
  subscribing,
  subscribing,
  byCategory,
  byCategory,
  publish,
  publish,
  reconnect,
  permissionsChanged,
  refresh,
  mute,
  want,
  individually,
  look,
];
