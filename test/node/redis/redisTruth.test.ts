import { REST_BASE } from '@unified-ws/protocol';
import { bullmqEngine } from '@unified-ws/server/events/queue/bullmq/bullmqEngine';
import { createRedis, parseRedisUrl } from '@unified-ws/server/redis/connect';
import { inspectRedis } from '@unified-ws/server/redis/inspectRedis';
import { Keys } from '@unified-ws/server/redis/keys';
import { clusterRequirements, queueRequirements } from '@unified-ws/server/redis/requirements';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { RedisProxy } from '../../support/redisProxy.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type LocalNode, World } from '../support/world.js';

const AUTHORIZATION = `Bearer ${token('root', { roles: ['admin', 'service'] })}`;

async function notices({ http }: LocalNode): Promise<string> {
  const response = await fetch(`${http}/readyz`);
  const { notices: all } = (await response.json()) as { notices: string[] };
  return all.join('\n');
}

async function get({ http }: LocalNode, path: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${http}${REST_BASE}/${path}`, { headers: { authorization: AUTHORIZATION } });
  return (await response.json()) as Record<string, unknown>;
}

describe('what is wrong with a Redis that works all the same', function () {
  this.timeout(30_000);
  const world = new World();
  let redis: Redis;

  before(async () => {
    await world.start();
    redis = world.redis.client();
  });
  afterEach(async () => {
    await world.endClients();
    await world.endNodes();
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
    await redis.flushall();
  });
  after(() => world.stop());

  // Seen red: BullMQ wrote "IMPORTANT! Eviction policy is allkeys-lru" to the console, once a lane, and nobody else was told.
  it('must be told in /readyz and /health, never on the console: another policy than noeviction', async () => {
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const { warn } = console;
    const lines: unknown[] = [];
    console.warn = (...args: unknown[]) => lines.push(args);
    try {
      const node = await world.node();
      await until(async () => (await notices(node)).includes('redis: REDIS_URL: its maxmemory-policy is allkeys-lru'), {
        what: 'the notice',
      });
      expect(await node.readiness()).to.equal(200);
      const health = await get(node, 'health');
      expect(String(health.reasons)).to.include('maxmemory-policy is allkeys-lru');
      expect(health.status).to.equal('degraded');
      await redis.config('SET', 'maxmemory-policy', 'noeviction');
      // It is looked at again with each connect.
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await until(async () => (await notices(node)) === '', { timeoutMs: 10_000, what: 'no notice any more' });
    } finally {
      console.warn = warn;
    }
    expect(lines).to.deep.equal([]);
  });

  it('must be told: commands that the user may not run, while the node serves', async () => {
    await redis.call('ACL', 'SETUSER', 'narrow', 'on', '>pw', '~*', '&*', '+@all', '-xrevrange', '-srandmember');
    const node = await world.node({ REDIS_URL: world.redis.url.replace('//', '//narrow:pw@') });
    await until(async () => (await notices(node)).includes('REDIS_URL: its user may not run SRANDMEMBER, XREVRANGE'), {
      what: 'the notice',
    });
    expect(await node.readiness()).to.equal(200);
  });

  it('must say what could not be looked at, and serve: a managed Redis without INFO, CONFIG, CLIENT and ACL', async () => {
    await redis.call(
      'ACL',
      'SETUSER',
      'managed',
      'on',
      '>pw',
      '~*',
      '&*',
      '+@all',
      '-info',
      '-config',
      '-client',
      '-acl',
    );
    const { warn } = console;
    const lines: unknown[] = [];
    console.warn = (...args: unknown[]) => lines.push(args);
    try {
      const node = await world.node({ REDIS_URL: world.redis.url.replace('//', '//managed:pw@') });
      await until(async () => (await notices(node)).includes('could not be checked, its user may not run INFO'), {
        what: 'the notice',
      });
      expect(await node.readiness()).to.equal(200);
      expect((await get(node, 'health')).status).to.equal('healthy');
      const client = await world.connect(node);
      const body = JSON.stringify({ event_type: 'custom_event', data: {} });
      const headers = { authorization: AUTHORIZATION, 'content-type': 'application/json' };
      const response = await fetch(`${node.http}${REST_BASE}/events`, { method: 'POST', headers, body });
      expect(response.status).to.equal(202);
      await until(() => client.events.length === 1, { what: 'the event' });
    } finally {
      console.warn = warn;
    }
    expect(lines).to.deep.equal([]);
  });

  it('must be found without a trace: commands, keys and channels', async () => {
    const keys = new Keys('uws');
    const needs = {
      ...clusterRequirements(keys),
      commands: [...queueRequirements(keys, bullmqEngine).commands, 'PUBLISH channel a'],
    };
    const rules = [
      '~uws:{u:*',
      '~{uws:q*',
      '~{uws:nodes}:*',
      '~uws:nodes',
      '~uws:{n:*',
      '&uws:ev',
      '+@all',
      '-hset',
      '-@blocking',
    ];
    await redis.call('ACL', 'SETUSER', 'few', 'on', '>pw', ...rules);
    const open = (user: string) =>
      createRedis(parseRedisUrl(world.redis.url.replace('//', `//${user}@`)), 'inspection', {
        commandTimeoutMs: 2000,
        name: 'test',
      });
    for (const [user, faults] of [
      [
        'few:pw',
        [
          'its user may not run BZPOPMIN, HSET',
          'its user may not use keys like uws:{log}:s, uws:audit',
          'its user may not use channels like uws:n:a.1',
        ],
      ],
      ['default:', []],
    ] as const) {
      const client = open(user);
      client.on('error', () => undefined);
      await client.connect();
      expect(await inspectRedis(client, needs)).to.deep.equal({ faults, unchecked: [] });
      client.disconnect();
    }
    expect(await redis.keys('*')).to.deep.equal([]);
  });
});

describe('the queue’s own Redis', function () {
  this.timeout(30_000);
  const world = new World();
  let queue: RedisServer;
  let proxy: RedisProxy;

  before(async () => {
    await world.start();
    queue = await startRedis();
    proxy = await RedisProxy.start(queue.port);
  });
  after(async () => {
    proxy.heal();
    await world.stop();
    await proxy.stop();
    await queue.stop();
  });

  // Before, /readyz said nothing, /health "does not answer", the publisher something else.
  it('away must be told in /readyz, in /health and to publishers in the same words, and leave the sockets alone', async () => {
    const node = await world.node({ REDIS_QUEUE_URL: proxy.url, REDIS_COMMAND_TIMEOUT_MS: '300' });
    const client = await world.connect(node, world.user(), ['service']);
    const words = 'event_queue: its Redis (REDIS_QUEUE_URL) does not answer';
    const refusal = async (): Promise<string> => {
      const { data } = await client.request('publish_event', { event_type: 'custom_event', data: {} });
      return String(data.message ?? '');
    };
    for (const fault of ['hangs', 'is gone'] as const) {
      if (fault === 'hangs') proxy.partition();
      else {
        proxy.onLink = (link) => setImmediate(() => link.destroy());
        for (const link of proxy.links) link.destroy();
      }
      await until(async () => (await notices(node)).includes(words), {
        timeoutMs: 5000,
        what: `the notice: it ${fault}`,
      });
      await until(async () => (await refusal()) === words, { what: `the refusal: it ${fault}` });
      const health = await get(node, 'health');
      expect(String(health.reasons), fault).to.include(words);
      expect(health.status, fault).to.equal('unhealthy');
      expect(await node.readiness(), fault).to.equal(200);
      proxy.heal();
      await until(async () => !(await notices(node)).includes(words), { timeoutMs: 10_000, what: 'it is there again' });
      await until(async () => (await refusal()) === '', { timeoutMs: 10_000, what: 'publishes are taken' });
    }
    expect(client.isOpen).to.equal(true);
  });
});
