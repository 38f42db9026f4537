import { REST_BASE } from '@unified-ws/protocol';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import { TestClient } from '../support/client.js';
import { NodeProcess } from '../support/cluster.js';
import { Mutant } from '../support/mutant.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { adminToken, token } from '../support/tokens.js';
import { until } from '../support/wait.js';
import { chaosConfig } from './support/config.js';
import { Random } from './support/random.js';

const PRELOAD = new URL('../support/wrongClock.js', import.meta.url).href;
const OFFSETS_MS = [-120_000, 0, 120_000];
/** Users of a wave, all at the same time. */
const USERS = 10;
/** Rounds in `npm test`: users times waves. */
const ROUNDS = 10;
const DELAY_MS = 5000;
const config = chaosConfig();
/** An event is released so much after it is due at most; in `npm test` the machine may be busy with others. */
const LATE_MS = config.full ? 1000 : 2500;

if (config.plays('clocks')) {
  describe('nodes whose wall clocks differ by ± 120 s', function () {
    this.timeout(60_000 + (config.rounds ?? ROUNDS) * 3000);
    let redis: RedisServer;
    let nodes: NodeProcess[] = [];
    let mutant: Mutant | null = null;

    beforeEach(async () => {
      redis = await startRedis();
    });

    afterEach(async () => {
      await Promise.all(nodes.map((node) => node.kill9()));
      await redis.stop();
      mutant?.remove();
      mutant = null;
    });

    async function start(offsets: readonly number[], main?: string): Promise<void> {
      nodes = offsets.map((offset, index) => {
        const env = { REDIS_URL: redis.url, EVENT_QUEUE_PARTITIONS: '2', WALL_CLOCK_OFFSET_MS: String(offset) };
        return new NodeProcess({ id: `n${index + 1}`, env, preload: PRELOAD, ...(main === undefined ? {} : { main }) });
      });
      await Promise.all(nodes.map((node) => node.start()));
      await Promise.all(nodes.map((node) => node.ready()));
    }

    const order = (node: NodeProcess, path: string, body: unknown): Promise<Response> =>
      fetch(`${node.http}${REST_BASE}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${adminToken()}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });

    /** A fresh token is taken, an event comes once when it is due, one that is over never, and a ban ends when it was meant to. */
    async function round(random: Random, user: string): Promise<string[]> {
      const faults: string[] = [];
      const [reads, publishes, bans] = [random.pick(nodes), random.pick(nodes), random.pick(nodes)];
      const delay_ms = random.chance(0.3) ? DELAY_MS : random.int(200, 3000);
      const reported = `${user}: ${reads.id} reads, ${publishes.id} publishes, ${bans.id} bans`;
      const client = new TestClient(reads.ws, { token: token(user) });
      await client.established();
      const event = { event_type: 'custom_event', target_user_ids: [user] };
      const over = new Date(Date.now() - 1000).toISOString();
      expect((await order(publishes, '/events', { ...event, data: { over }, expires_at: over })).status).to.equal(202);
      const askedAt = systemClock.mono();
      expect((await order(publishes, '/events', { ...event, data: { due: true }, delay_ms })).status).to.equal(202);
      const acceptedAt = systemClock.mono();
      await client.waitFor('custom_event', () => true, delay_ms + 20_000);
      const cameAt = systemClock.mono();
      if (cameAt - askedAt < delay_ms) faults.push(`${reported}: ${delay_ms - (cameAt - askedAt)} ms early`);
      if (cameAt - acceptedAt > delay_ms + LATE_MS)
        faults.push(`${reported}: ${cameAt - acceptedAt - delay_ms} ms late`);
      const banAskedAt = systemClock.mono();
      const banned = await order(bans, `/disconnect/${user}`, { reason: 'r', ban_seconds: 1 });
      expect(banned.status).to.equal(200);
      const bannedAt = systemClock.mono();
      await client.ended;
      if (client.events.length !== 1) faults.push(`${reported}: ${client.events.length} events`);
      for (;;) {
        const again = new TestClient(random.pick(nodes).ws, { token: token(user) });
        const came = await Promise.race([again.established().then(() => true), again.ended.then(() => false)]);
        const after = systemClock.mono() - bannedAt;
        const held = systemClock.mono() - banAskedAt;
        if (came && held < 990) faults.push(`${reported}: the ban ended after ${held} ms`);
        if (!came && after > 1000 + LATE_MS) faults.push(`${reported}: banned still after ${after} ms`);
        await again.close();
        if (came || after > 1000 + LATE_MS) return faults;
      }
    }

    it(`compare by one clock, in ${config.rounds ?? ROUNDS} rounds`, async () => {
      console.log(`      seed ${config.seed}`);
      await start(OFFSETS_MS);
      const rounds = config.rounds ?? ROUNDS;
      for (let done = 0; done < rounds; done += USERS) {
        const users = Array.from({ length: Math.min(USERS, rounds - done) }, (_, index) => done + index);
        const faults = await Promise.all(users.map((n) => round(new Random(config.seed).fork(n), `user-${n}`)));
        expect(faults.flat(), `rounds from ${done}`).to.deep.equal([]);
      }
    });

    it('the control: a worker whose scripts get its own clock releases early, and is found guilty', async () => {
      mutant = new Mutant([
        { file: 'events/queue/bullmq/timedBackend.js', from: 'if (at === undefined)', to: 'if (at !== Number.NaN)' },
      ]);
      await start([120_000], mutant.main);
      const node = nodes[0] as NodeProcess;
      const client = new TestClient(node.ws, { token: token('user') });
      await client.established();
      const event = { event_type: 'custom_event', target_user_ids: ['user'], data: {}, delay_ms: 60_000 };
      expect((await order(node, '/events', event)).status).to.equal(202);
      await until(() => client.events.length > 0, { what: 'the event comes a minute early', timeoutMs: 40_000 });
      await client.close();
    });
  });
}
