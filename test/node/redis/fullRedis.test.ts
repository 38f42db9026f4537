import { REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type LocalNode, World } from '../support/world.js';

const EVENT = { event_type: 'zone_updated', data: {} };

const FILLER_BYTES = 32 * 1024 * 1024;
const LEASE_TTL_MS = 3000;

interface Published {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly code: string | undefined;
}

describe('a Redis that is full', function () {
  this.timeout(30_000);
  const world = new World();

  before(() => world.start());
  afterEach(async () => {
    await world.endClients();
    await world.redis.client().config('SET', 'maxmemory', '0');
    await world.endNodes();
  });
  after(() => world.stop());

  async function publish(node: LocalNode, body: unknown = EVENT): Promise<Published> {
    const response = await fetch(`${node.http}${REST_BASE}/events`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token('service-1', { roles: ['service'] })}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify(body),
    });
    const { code } = (await response.json()) as { code?: string };
    return { status: response.status, retryAfter: response.headers.get('retry-after'), code };
  }

  async function usedMemory(): Promise<number> {
    return Number(/used_memory:(\d+)/.exec(await world.redis.client().info('memory'))?.[1]);
  }

  // Seen red with `flags=allow-oom` taken out of the registry scripts: the lease was not renewed, the node left the cluster
  // and nobody could connect.
  it('must keep its nodes in the cluster and let users come, move and go (Q6)', async () => {
    const env = { LEASE_TTL_MS: String(LEASE_TTL_MS) };
    const [one, two] = [await world.node(env), await world.node(env)];
    const user = world.user();
    const first = await world.connect(one, user);
    const redis = world.redis.client();
    await redis.config('SET', 'maxmemory', String(Math.floor((await usedMemory()) / 2)));
    const refused = await redis.set('any', 'thing').catch((error: unknown) => String(error));
    expect(refused).to.include('OOM');
    const beats = async (): Promise<string[]> => redis.hvals('uws:nodes');
    const before = await beats();
    // Not all of them: on a busy machine a node may have lost a lease before, whose beat stands still.
    await until(async () => (await beats()).filter((beat) => !before.includes(beat)).length === 2, {
      what: 'both leases go on',
    });
    const moved = await world.connect(two, user);
    expect((await first.closed()).code).to.equal(4001);
    await moved.close();
    await until(async () => (await world.entry(redis, user)).conn === '', { what: 'the release' });
    await world.connect(one);
    // Longer than a lease lives.
    const later = performance.now() + LEASE_TTL_MS;
    await until(() => performance.now() > later, { what: 'a lease time', everyMs: 100 });
    expect(await Promise.all([one.readiness(), two.readiness()])).to.deep.equal([200, 200]);
  });

  it('nearly, must refuse events while there is room for those who are connected, and take them again later', async () => {
    const node = await world.node();
    const redis = world.redis.client();
    expect((await publish(node)).status).to.equal(202);
    // Beside this, what connections use does not count.
    await redis.setrange('filler', FILLER_BYTES, 'x');
    const limit = async (share: number): Promise<unknown> =>
      redis.config('SET', 'maxmemory', String(Math.floor((await usedMemory()) / share)));
    await limit(0.9);
    const refusal = await until(
      async () => {
        const answer = await publish(node);
        return answer.status === 202 ? null : answer;
      },
      { what: 'a refusal' },
    );
    expect(refusal).to.deep.equal({ status: 429, retryAfter: '1', code: 'RATE_LIMITED' });
    const client = await world.connect(node, world.user(), ['service']);
    const reply = await client.request('publish_event', EVENT);
    expect(reply.data).to.include({ error_code: 'RATE_LIMITED' });
    expect(reply.data.details).to.deep.equal({ retry_after_ms: 1000 });
    await limit(0.5);
    await until(async () => (await publish(node)).status === 202, { what: 'events are taken again' });
  });

  it('of jobs, must refuse a batch whole', async () => {
    const node = await world.node({ EVENT_QUEUE_MAX: '3' });
    const later = (n: number): object[] => Array.from({ length: n }, () => ({ ...EVENT, delay_ms: 600_000 }));
    // A soft bound: a batch that is larger than what is left is taken as long as anything is left.
    expect((await publish(node, later(5))).status).to.equal(202);
    const redis = world.redis.client();
    const jobs = async (): Promise<number> => redis.zcard('{uws:q0}:events-0:delayed');
    const before = await jobs();
    expect(await publish(node, later(2))).to.deep.equal({ status: 429, retryAfter: '1', code: 'RATE_LIMITED' });
    expect(await jobs()).to.equal(before);
  });
});
