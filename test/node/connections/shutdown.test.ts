import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { NodeProcess } from '../../support/cluster.js';
import { freePort } from '../../support/redis.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type LocalNode, World } from '../support/world.js';

describe('the end of a node process', function () {
  this.timeout(30_000);
  const world = new World();
  let redis: Redis;
  let heir: LocalNode;
  let leaving: NodeProcess;

  before(async () => {
    await world.start();
    redis = world.redis.client();
    heir = await world.node({ NODE_ID: 'heir', EVENT_QUEUE_PARTITIONS: '2' });
  });
  beforeEach(async () => {
    leaving = new NodeProcess({ id: 'leaving', env: { REDIS_URL: world.redis.url, LOG_LEVEL: 'debug' } });
    await leaving.start();
    await leaving.ready();
  });
  afterEach(async () => {
    await leaving.kill9();
    await world.endClients();
  });
  after(() => world.stop());

  it('after SIGTERM clients must be told when to come back, and nobody wait for what it leaves behind', async () => {
    const users = Array.from({ length: 30 }, () => world.user());
    const clients = await Promise.all(users.map((user) => world.connect(leaving, user)));
    const [user = ''] = users;
    const { lease = '' } = await world.entry(redis, user);
    // It never answers the close frame, so that the node is seen while it drains.
    const stubborn = await world.raw(leaving, { token: token(world.user()) });
    await stubborn.waitFor('connection_established');
    const startedAt = systemClock.mono();
    const stopped = leaving.stop();
    const { status, reasons } = await until(
      async () => {
        const response = await fetch(`${leaving.http}/readyz`);
        const body = (await response.json()) as { reasons: string[] };
        return response.status !== 200 && { status: response.status, reasons: body.reasons };
      },
      { what: 'not ready' },
    );
    expect(status).to.equal(503);
    expect(reasons.join()).to.match(/draining/);
    const late = world.dial(leaving, { token: token(world.user()) });
    expect(await late.closed()).to.include({ status: 503, retryAfterS: 1 });
    for (const client of clients) {
      const ending = await client.closed();
      expect(ending.code).to.equal(4200);
      const [, delay] = /^reconnect_after_ms=(\d+)$/.exec(ending.reason) ?? [];
      const reported = client.frames.at(-1);
      expect(reported?.type).to.equal('server_draining');
      expect(reported?.data).to.deep.equal({ reconnect_after_ms: Number(delay) });
    }
    expect(await stubborn.closed()).to.equal(4200);
    // While it still drains: what it has closed is free.
    const heirs = await Promise.all(users.map((one) => world.connect(heir, one)));
    for (const one of heirs) expect(one.establishedAt - one.startedAt).to.be.lessThan(2000);
    expect(await stopped).to.equal(0);
    expect(systemClock.mono() - startedAt).to.be.lessThan(10_000);
    expect(await redis.hget('uws:nodes', lease)).to.equal('ended');
    expect(await redis.smembers(`uws:{n:${lease}}:users`)).to.deep.equal([]);
    const entries = await Promise.all(users.map((one) => world.entry(redis, one)));
    expect(entries.map(({ conn }) => conn)).to.deep.equal(heirs.map((one) => one.establishedData?.connection_id));
  });

  it('a Redis that hangs must not keep it from ending in time', async () => {
    const client = await world.connect(leaving);
    const stubborn = await world.raw(leaving, { token: token(world.user()) });
    await stubborn.waitFor('connection_established');
    world.redis.pause();
    try {
      const startedAt = systemClock.mono();
      const code = await leaving.stop();
      expect({ code, took: Math.round(systemClock.mono() - startedAt) }).to.satisfy(
        (end: { code: number | null; took: number }) => end.code === 0 && end.took < 10_000,
      );
      expect((await client.closed()).code).to.equal(4200);
    } finally {
      world.redis.resume();
    }
  });

  it('a node that still waits for its Redis must end as well, and as told', async () => {
    const port = await freePort();
    const waiting = new NodeProcess({ id: 'waiting', env: { REDIS_URL: `redis://127.0.0.1:${port}` } });
    await waiting.start();
    expect(await waiting.readiness()).to.equal(503);
    expect(await waiting.stop()).to.equal(0);
  });

  it('a second signal must not cut the drain short', async () => {
    const client = await world.connect(leaving);
    const stubborn = await world.raw(leaving, { token: token(world.user()) });
    await stubborn.waitFor('connection_established');
    const { pid } = leaving;
    const stopped = leaving.stop();
    await client.closed();
    process.kill(pid, 'SIGTERM');
    process.kill(pid, 'SIGINT');
    expect(await stubborn.closed()).to.equal(4200);
    expect(await stopped).to.equal(0);
  });
});
