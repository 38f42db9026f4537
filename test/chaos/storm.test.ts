import { setTimeout as sleep } from 'node:timers/promises';
import { REST_BASE } from '@unified-ws/protocol';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import { type Received, TestClient } from '../support/client.js';
import { Cluster, type NodeProcess } from '../support/cluster.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { adminToken, token } from '../support/tokens.js';
import { until } from '../support/wait.js';
import { chaosConfig } from './support/config.js';
import { formatPercentiles, percentiles } from './support/latency.js';
import { StormCrowd } from './support/stormCrowd.js';

const { plays, full } = chaosConfig();

const RETURNING = full ? 10_000 : 2000;
const STAYING = 40;
/** Events for those who stay, a second; and every so many one for all. */
const RATE = 25;
const FOR_ALL_EVERY = 25;
/** Their time is measured, and a job that died with its worker's node comes again only after seconds (Q1): so they go past the queue. */
const FOR_STAYING = { roles: ['staying'], delivery: 'ephemeral' };
/** What those who stay are promised while a node's clients come back; in `npm test`, which shares its machine, only the order of it. */
const MAX_P99_MS = full ? 250 : 1500;
const MAX_STALL_MS = full ? 200 : 1500;
const MAX_TIMES = full ? 0 : 5;
const CALM_MS = 2000;
const MAX_RETURN_MS = 30_000;
/** No peer of the crowd answers a ping. */
const ENV = { LOG_LEVEL: 'info', PING_INTERVAL_MS: '600000' };
const STALL = /^nodejs_eventloop_lag_max_seconds (\S+)$/m;

if (plays('storm')) {
  describe(`chaos: ${RETURNING} clients lose their node and come back at once`, function () {
    this.timeout(300_000);
    const headers = { authorization: `Bearer ${adminToken()}`, 'content-type': 'application/json' };
    let redis: RedisServer;
    let cluster: Cluster;
    let crowd: StormCrowd;
    let survivors: readonly NodeProcess[];
    const staying: TestClient[] = [];
    /** The numbers of the events for all, as each of those who stay got them. */
    const numbers: number[][] = [];
    let latencies: number[] = [];
    let published = 0;
    let publishing = true;

    before(async () => {
      redis = await startRedis();
      cluster = await Cluster.start({ redisUrl: redis.url, nodes: 3, env: ENV });
      survivors = [cluster.node(0), cluster.node(1)];
      crowd = new StormCrowd(full ? 3 : 1);
      for (let n = 0; n < STAYING; n += 1) {
        const own: number[] = [];
        numbers.push(own);
        const onFrame = ({ type, data, at }: Received): void => {
          if (type !== 'custom_event') return;
          if (typeof data.storm === 'number') own.push(data.storm);
          else latencies.push(at - Number(data.at));
        };
        const options = { token: token(`staying-${n}`, { roles: ['user', 'staying'] }), keep: false, onFrame };
        staying.push(new TestClient((survivors[n % 2] as NodeProcess).ws, options));
      }
      const users = Array.from({ length: RETURNING }, (_, n) => `returning-${n}`);
      await crowd.enter(users, [cluster.node(2).port]);
      await until(() => staying.every(({ establishedData }) => establishedData), {
        what: 'those who stay are connected',
      });
    });

    after(async () => {
      for (const client of staying) client.terminate();
      await crowd.stop();
      await cluster.kill();
      await redis.stop();
    });

    async function publish(n: number): Promise<void> {
      const forAll = n % FOR_ALL_EVERY === 0;
      const data = { at: systemClock.mono(), ...(forAll ? { storm: n / FOR_ALL_EVERY } : {}) };
      const response = await fetch(`${cluster.node(0).http}${REST_BASE}/events`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ event_type: 'custom_event', data, ...(forAll ? {} : FOR_STAYING) }),
      });
      if (response.status !== 202) throw new Error(`publishing was answered ${await response.text()}`);
      await response.arrayBuffer();
    }

    /** Publishes at the rate, each event when the one before is accepted or its own time has come, whichever is later. */
    async function publishAll(): Promise<void> {
      const startedAt = systemClock.mono();
      for (; publishing; published += 1) {
        await publish(published);
        const wait = startedAt + ((published + 1) * 1000) / RATE - systemClock.mono();
        if (wait > 0) await sleep(wait);
      }
    }

    async function longestStall(): Promise<number> {
      const texts = await Promise.all(survivors.map(async ({ http }) => (await fetch(`${http}/metrics`)).text()));
      return 1000 * Math.max(...texts.map((text) => Number(STALL.exec(text)?.[1] ?? 0)));
    }

    it('those who stay notice nothing, and those who come back have all events, each once', async () => {
      const done = publishAll();
      await until(async () => (await crowd.read()).least >= 1, {
        timeoutMs: 60_000,
        what: 'all have the first events',
      });
      // What the many connects before have left in the readings is over: these are of 10 s at most.
      await sleep(full ? 11_000 : CALM_MS);
      latencies = [];
      await sleep(CALM_MS);
      const calm = { stall: await longestStall(), ...percentiles(latencies) };
      latencies = [];
      await crowd.aim(survivors.map(({ port }) => port));
      const lostAt = systemClock.mono();
      await cluster.node(2).kill9();
      let stall = 0;
      const seen: string[] = [];
      await until(
        async () => {
          stall = Math.max(stall, await longestStall());
          const { established, refused, ended } = await crowd.read();
          seen.push(`${Math.round(systemClock.mono() - lostAt)} ms: ${established} established, ${refused} refused`);
          return ended >= RETURNING && established === RETURNING;
        },
        { timeoutMs: 120_000, everyMs: 500, what: () => `all are back; ${seen.at(-1)}` },
      );
      const tookMs = systemClock.mono() - lostAt;
      const during = percentiles(latencies);
      publishing = false;
      await done;
      const last = Math.floor((published - 1) / FOR_ALL_EVERY);
      await until(async () => (await crowd.read()).least === last, {
        timeoutMs: 60_000,
        what: `all have event ${last}`,
      });
      stall = Math.max(stall, await longestStall());
      const tally = await crowd.read();
      console.log(
        `      back after ${Math.round(tookMs)} ms, ${tally.refused} refused, hints up to ${tally.longestHintMs} ms`,
      );
      console.log(`      before: ${formatPercentiles(calm)}; longest stall ${Math.round(calm.stall)} ms`);
      console.log(`      those who stayed: ${formatPercentiles(during)}; longest stall ${Math.round(stall)} ms`);
      if (full) for (const line of seen) console.log(`        ${line}`);
      expect(tally.violations).to.deep.equal([]);
      expect(tally.codes, 'close codes of those who come back').to.deep.equal([]);
      expect(tally.most, 'nothing twice').to.equal(last);
      expect(tally.ended, 'ended of those who come back, by the death of their node alone').to.equal(RETURNING);
      for (const { ending } of staying) expect(ending).to.equal(null);
      const [first = 0] = numbers[0] ?? [];
      const all = Array.from({ length: last - first + 1 }, (_, n) => first + n);
      for (const own of numbers) expect(own).to.deep.equal(all);
      expect(tookMs, 'until all are back, ms').to.be.below(MAX_RETURN_MS);
      expect(stall, 'longest stall, ms').to.be.below(Math.max(MAX_STALL_MS, MAX_TIMES * calm.stall));
      expect(during.p99, 'p99 of those who stay, ms').to.be.below(Math.max(MAX_P99_MS, MAX_TIMES * calm.p99));
    });
  });
}
