import { expect } from 'chai';
import { TestClient } from '../support/client.js';
import { Cluster } from '../support/cluster.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { token } from '../support/tokens.js';
import { chaosConfig } from './support/config.js';
import { formatPercentiles, percentiles } from './support/latency.js';

const REPLACEMENTS = 200;
const WARM_UP = 20;
/** G1 says 50 ms at p99 on an idle machine; this one shares its cores with the clients, and with whatever else runs. */
const P99_LIMIT_MS = 500;

const { plays } = chaosConfig();

if (plays('replacement')) {
  describe('replacement between live nodes', function () {
    this.timeout(120_000);
    let redis: RedisServer;
    let cluster: Cluster;

    before(async () => {
      redis = await startRedis();
      cluster = await Cluster.start({ redisUrl: redis.url, env: { LOG_LEVEL: 'info' } });
    });

    after(async () => {
      await cluster.kill();
      await redis.stop();
    });

    it('lets a second connect wait no longer than the first needs to be closed on its node', async () => {
      const signed = token('traveller');
      const waits: number[] = [];
      let before = new TestClient(cluster.node(0).ws, { token: signed });
      await before.established();
      for (let count = 1; count <= WARM_UP + REPLACEMENTS; count += 1) {
        const next = new TestClient(cluster.node(count % cluster.nodes.length).ws, { token: signed });
        await next.established();
        expect((await before.closed()).code).to.equal(4001);
        before = next;
        if (count > WARM_UP) waits.push(next.establishedAt - next.startedAt);
      }
      await before.close();
      const measured = percentiles(waits);
      const [p50, p99] = await claimed(cluster);
      console.log(`      from dial to connection_established: ${formatPercentiles(measured)}`);
      console.log(
        `      from verified token to connection_established, as the nodes count it: p50 <= ${p50} ms, p99 <= ${p99} ms`,
      );
      expect(measured.p99).to.be.below(P99_LIMIT_MS);
    });
  });
}

/** The least bounds of `uws_handover_seconds` over all nodes that hold half, and 99 %, of the replacements; milliseconds. */
async function claimed(cluster: Cluster): Promise<[number, number]> {
  const buckets = new Map<number, number>();
  for (const node of cluster.nodes) {
    const text = await (await fetch(`${node.http}/metrics`)).text();
    for (const [, le, count] of text.matchAll(/^uws_handover_seconds_bucket\{.*le="([^"]+)".*\} (\d+)/gm)) {
      const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le) * 1000;
      buckets.set(bound, (buckets.get(bound) ?? 0) + Number(count));
    }
  }
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const total = sorted.at(-1)?.[1] ?? 0;
  expect(total, 'replacements that the nodes counted').to.be.at.least(REPLACEMENTS);
  const least = (share: number): number => sorted.find(([, count]) => count >= share * total)?.[0] ?? 0;
  return [least(0.5), least(0.99)];
}
