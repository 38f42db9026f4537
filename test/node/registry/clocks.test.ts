import { REST_BASE } from '@unified-ws/protocol';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import { StepClock } from '../../support/stepClock.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type LocalNode, World } from '../support/world.js';

const MINUTES = 60_000;
const ADMIN = token('clock-admin', { roles: ['admin'] });

interface NodeEntry {
  readonly facts: {
    readonly clock: { readonly offset_ms: number; readonly redis_offset_ms: Record<string, number> };
  } | null;
}

/** A machine whose wall clock is off. */
const off = (ms: number) => ({ clock: { now: () => Date.now() + ms, mono: () => systemClock.mono() } });

async function call(node: LocalNode, method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(`${node.http}${REST_BASE}${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function sent(node: LocalNode, event: Readonly<Record<string, unknown>>): Promise<void> {
  const response = await call(node, 'POST', '/events', event);
  expect(response.status, await response.text()).to.equal(202);
}

async function ban(node: LocalNode, user: string, seconds: number): Promise<void> {
  const response = await call(node, 'POST', `/disconnect/${user}`, { reason: 'r', ban_seconds: seconds });
  expect(response.status, await response.text()).to.equal(200);
}

describe('nodes whose wall clocks are wrong', function () {
  this.timeout(30_000);
  const world = new World();
  let right: LocalNode;
  let behind: LocalNode;
  let ahead: LocalNode;

  before(async () => {
    await world.start();
    right = await world.node();
    behind = await world.node({}, off(-90_000));
    ahead = await world.node({}, off(60 * MINUTES));
  });

  after(() => world.stop());

  // By the clock of the node it was void on the one that is behind, and held for an hour on the one that is ahead.
  it('must hold a ban for as long as it was meant, on whichever node it is given and checked', async () => {
    for (const [by, at] of [
      [behind, right],
      [right, ahead],
      [ahead, right],
      [right, behind],
    ] as const) {
      const user = world.user();
      await ban(by, user, 2);
      const bannedAt = systemClock.mono();
      expect((await world.dial(at, { token: token(user) }).ended).code).to.equal(4003);
      await until(
        async () => {
          const client = world.dial(at, { token: token(user) });
          const came = await Promise.race([client.established().then(() => true), client.ended.then(() => false)]);
          await client.close();
          return came;
        },
        { what: 'the ban is over', timeoutMs: 8000, everyMs: 50 },
      );
      expect(systemClock.mono() - bannedAt).to.be.within(1900, 6000);
    }
  });

  // By its own clock alone, the one that is behind refused it.
  it('must take a fresh token: one of the two clocks knows that it is good', async () => {
    for (const node of [behind, ahead, right]) await (await world.connect(node, world.user())).close();
  });

  // By its own clock, the node that is ahead dropped it and stamped it an hour late.
  it('must drop what is over by cluster time, and deliver what is not', async () => {
    const user = world.user();
    const client = await world.connect(right, user);
    const expires_at = new Date(Date.now() + 30_000).toISOString();
    const over = new Date(Date.now() - 30_000).toISOString();
    for (const node of [ahead, behind]) {
      const event = { event_type: 'zone_updated', data: { by: node.port }, target_user_ids: [user] };
      await sent(node, { ...event, expires_at: over });
      await sent(node, { ...event, expires_at });
    }
    await until(() => client.events.length === 2, { what: 'both events come' });
    for (const { timestamp } of client.events as { timestamp?: string }[]) {
      expect(Date.parse(timestamp ?? '')).to.be.closeTo(Date.now(), 5000);
    }
  });

  it('must be known: by their own notice, in /nodes and in /health', async () => {
    const notices = async (node: LocalNode): Promise<string[]> => {
      const response = await fetch(`${node.http}/readyz`);
      return ((await response.json()) as { notices?: string[] }).notices ?? [];
    };
    expect((await notices(right)).filter((text) => text.startsWith('clock'))).to.deep.equal([]);
    expect((await notices(behind)).filter((text) => text.startsWith('clock'))).to.have.length(1);
    const nodes = await until(
      async () => {
        const answer = (await (await call(right, 'GET', '/nodes')).json()) as { nodes: NodeEntry[] };
        return answer.nodes.length === 3 && answer.nodes.every(({ facts }) => facts !== null) ? answer.nodes : null;
      },
      { what: 'all nodes are known', everyMs: 100 },
    );
    const offsets = nodes.map(({ facts }) => Math.round((facts?.clock.offset_ms ?? 1) / 10_000) * 10);
    expect(offsets.map((seconds) => seconds || 0)).to.have.members([0, -90, 3600]);
    expect(nodes[0]?.facts?.clock.redis_offset_ms.main).to.be.closeTo(0, 1000);
    expect(await (await fetch(`${behind.http}/metrics`)).text()).to.match(/^uws_clock_offset_seconds.* -(89|90)/m);
    const health = (await (await call(right, 'GET', '/health')).json()) as { reasons: string[] };
    expect(health.reasons.filter((text) => text.includes('clock'))).to.have.length.at.least(2);
  });
});

// Seen red with BullMQ's own backend: a worker whose clock is behind released the event late, one that is ahead at once.
for (const redisAhead of [-120_000, 120_000]) {
  describe(`workers whose clock is ${-redisAhead / 1000} s off cluster time`, function () {
    this.timeout(20_000);
    const world = new World();
    let redisClock: StepClock;

    before(async () => {
      redisClock = new StepClock(redisAhead);
      await world.start({ clock: redisClock });
    });

    after(async () => {
      await world.stop();
      redisClock.remove();
    });

    it('must release a delayed event when it is due by cluster time', async () => {
      const node = await world.node();
      const client = await world.connect(node, world.user());
      const askedAt = systemClock.mono();
      await sent(node, { event_type: 'zone_updated', data: { zone_name: 'late' }, delay_ms: 3000 });
      const acceptedAt = systemClock.mono();
      await client.waitFor('zone_updated', () => true, 10_000);
      const cameAt = systemClock.mono();
      expect(cameAt - askedAt).to.be.at.least(3000);
      expect(cameAt - acceptedAt).to.be.at.most(4000);
    });

    it('must release an event of `deliver_at` when that is by cluster time', async () => {
      const node = await world.node();
      const client = await world.connect(node, world.user());
      const askedAt = systemClock.mono();
      const deliver_at = new Date(Date.now() + redisAhead + 2000).toISOString();
      await sent(node, { event_type: 'zone_updated', data: { zone_name: 'then' }, deliver_at });
      await client.waitFor('zone_updated', () => true, 10_000);
      expect(systemClock.mono() - askedAt).to.be.within(1500, 3200);
    });
  });
}
