import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { fillQueues } from '../../support/queueFill.js';
import { adminToken } from '../../support/tokens.js';
import { until, within } from '../../support/wait.js';
import { type EventNode, startEventNode } from '../../unit/server/events/support.js';
import { type Answer, type Call, call } from '../../unit/server/http/support.js';
import { type LocalNode, World } from '../support/world.js';

const QUEUE = '{uws:q0}:events-0';

/** What an admin needs at 3 a.m., and what users need who come then: all of it writes, and none of it may be refused (Q6). */
describe('a Redis that is full', function () {
  this.timeout(30_000);
  const world = new World();
  let redis: Redis;
  let one: LocalNode;
  let publisher: EventNode;

  before(async () => {
    await world.start();
    redis = world.redis.client();
    one = await world.node();
    publisher = await startEventNode(world.redis.url, { workers: false, partitions: 1 });
  });
  beforeEach(() => redis.config('SET', 'maxmemory', '0'));
  afterEach(() => world.endClients());
  after(async () => {
    await redis.config('SET', 'maxmemory', '0');
    await publisher.stop();
    await world.stop();
  });

  async function fillUp(): Promise<void> {
    const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
    await redis.config('SET', 'maxmemory', String(Math.floor(used / 2)));
    expect(await redis.set('any', 'thing').catch((error: unknown) => String(error))).to.include('OOM');
  }

  const rest = (path: string, options: Call = {}): Promise<Answer> =>
    call(one, path, { token: adminToken('root'), ...options });
  async function order(path: string, json: object = {}, method = 'POST'): Promise<Answer> {
    const answer = await rest(path, method === 'DELETE' ? { method } : { method, json });
    expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).to.be.oneOf([200, 202, 204]);
    return answer;
  }

  // Seen red without `allow-oom`. Before, `SETNX` of the number of partitions was refused though the key is there, and the start went on for ever.
  it('must let a node start, serve, be drained and stop', async () => {
    await fillUp();
    const late = await world.node({ NODE_ID: 'late' });
    expect(await late.readiness()).to.equal(200);
    const user = world.user();
    const before = await world.connect(one, user);
    await world.connect(late, user);
    expect((await before.closed()).code).to.equal(4001);
    await until(async () => (await rest('nodes')).body.nodes.length === 2, { what: 'each knows the other' });
    await order('nodes/late/drain', { reason: 'full' });
    await until(async () => (await late.readiness()) === 503, { what: 'it drains' });
    await within(late.node.stop(), 8000, 'it ends');
    expect(
      await redis.hget(
        'uws:nodes',
        Object.keys(await redis.hgetall('uws:nodes')).find((l) => l.startsWith('late')) ?? '',
      ),
    ).to.equal('ended');
  });

  it('must let a node start that is the first of all', async () => {
    await redis.config('SET', 'maxmemory', '0');
    const env = { REDIS_URL: `${world.redis.url}/7`, NODE_ID: 'first' };
    await fillUp();
    const first = await world.node(env);
    expect(await first.readiness()).to.equal(200);
    await world.connect(first);
    const meta = await world.redis.client({ db: 7 }).hgetall(`${QUEUE}:meta`);
    expect(meta).to.include({ concurrency: '1' });
    await first.node.stop();
  });

  // Seen red without `allow-oom`. BullMQ's own pause and resume were answered 503.
  it('must take orders about the queue: pause, go on, retry, delete, clear', async () => {
    await order('queue/pause');
    await fillQueues(publisher.queues, 'job', 6, () => ({ type: 'zone_updated' }));
    const jobs = async (): Promise<string[]> => redis.lrange(`${QUEUE}:wait`, 0, -1);
    await until(async () => (await jobs()).length === 6, { what: 'the jobs' });
    const failed = (await jobs()).slice(0, 3);
    for (const [n, id] of failed.entries()) {
      await redis.multi().lrem(`${QUEUE}:wait`, 1, id).zadd(`${QUEUE}:failed`, n, id).exec();
    }
    await order('queue/resume');
    await until(async () => (await jobs()).length === 0, { what: 'the others are worked off' });
    await fillUp();
    await order('queue/pause', { reason: 'full' });
    expect(await redis.hget(`${QUEUE}:meta`, 'paused')).to.equal('1');
    expect(await redis.exists(`${QUEUE}:marker`)).to.equal(0);
    await order(`queue/jobs/events-0.${failed[0]}/retry`);
    await order('queue/retry-failed', { ids: [`events-0.${failed[1]}`] });
    expect(await jobs()).to.have.members([failed[0], failed[1]]);
    await order(`queue/jobs/events-0.${failed[2]}`, {}, 'DELETE');
    await order('queue/resume');
    expect(await redis.hget(`${QUEUE}:meta`, 'paused')).to.equal(null);
    await order('queue/pause');
    const cleared = await rest('queue?states=waiting,failed,completed', { method: 'DELETE' });
    expect(cleared.status, JSON.stringify(cleared.body)).to.equal(200);
    await order('queue/resume');
    expect((await rest('queue')).body.paused).to.equal(false);
  });

  it('must begin what waits when a paused queue goes on, and what is due later', async () => {
    await order('queue/pause');
    await fillQueues(publisher.queues, 'soon', 1, () => ({ type: 'zone_updated', dueAt: Date.now() + 1500 }));
    await fillQueues(publisher.queues, 'now', 2, () => ({ type: 'zone_updated' }));
    await order('queue/resume');
    const left = async (): Promise<number> =>
      (await redis.llen(`${QUEUE}:wait`)) + (await redis.zcard(`${QUEUE}:delayed`));
    await until(async () => (await left()) === 0, { what: 'all of them' });
    await until(async () => (await redis.llen(`${QUEUE}:active`)) === 0, { what: 'they are done' });
  });

  it('must take orders about users and the cluster', async () => {
    const [target, other] = [world.user(), world.user()];
    const client = await world.connect(one, target);
    await world.connect(one, other);
    await fillUp();
    await order(`users/${other}/permissions-changed`, { roles: ['user'] });
    await order(`disconnect/${target}`, { ban_seconds: 60, reason: 'abuse' });
    expect((await client.closed()).code).to.equal(4003);
    await order(`users/${target}/ban`, {}, 'DELETE');
    await order(`users/${target}/revoke`);
    await order('catalogue/reload');
    const rollout = {
      mode: 'gradual',
      percentage: 10,
      user_list: [],
      force_legacy: [],
      enforce: false,
      reason: 'full',
    };
    await order('rollout', rollout, 'PUT');
    await order('rollout/rollback');
    await until(async () => (await rest('audit?action=rollout_rollback')).body.records.length > 0, {
      what: 'the record',
    });
    const actions = (await rest('audit?limit=100')).body.records.map(({ action }: { action: string }) => action);
    expect(actions).to.include.members(['unban', 'revoke', 'catalogue_reload']);
  });

  it('must let users who come subscribe, and choose what they get', async () => {
    await fillUp();
    const user = world.user();
    const client = await world.connect(one, user);
    const subscribed = await client.request('subscribe_events', { event_types: ['disk_metrics'] });
    expect(subscribed.type, JSON.stringify(subscribed.data)).to.equal('subscription_updated');
    const gone = await client.request('unsubscribe_events', { event_types: ['zone_updated'] });
    expect(gone.type).to.equal('subscription_updated');
    const chosen = await client.request('set_message_preferences', { preferences: { batch_messages: false } });
    expect(chosen.type, JSON.stringify(chosen.data)).to.not.include('error');
    expect(await redis.hgetall(`uws:{u:${user}}:subs`)).to.include({ 't:disk_metrics': '1' });
  });
});
