import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { TestClient } from '../support/client.js';
import type { NodeProcess } from '../support/cluster.js';
import { until } from '../support/wait.js';
import { ClusterWorld } from './world.js';

const CLIENTS = 200;
/** How long Redis is away: of the acceptance list, and longer than every time-out of a node. */
const OUTAGE_MS = 20_000;

const outages: readonly {
  name: string;
  begin(world: ClusterWorld): Promise<void>;
  end(world: ClusterWorld): Promise<void>;
}[] = [
  { name: 'shut down', begin: (world) => world.redis.kill9(), end: (world) => world.redis.restart() },
  {
    name: 'frozen',
    begin: async (world) => world.redis.pause(),
    end: async (world) => world.redis.resume(),
  },
];

async function notReady(node: NodeProcess): Promise<{ status: number; reasons: string[] }> {
  const response = await fetch(`${node.http}/readyz`, { signal: AbortSignal.timeout(1000) });
  return { status: response.status, reasons: ((await response.json()) as { reasons: string[] }).reasons };
}

for (const { name, begin, end } of outages) {
  describe(`Redis ${name} for 20 s under ${CLIENTS} connections`, function () {
    this.timeout(90_000);
    let world: ClusterWorld;

    before(async () => {
      world = await ClusterWorld.start({ env: { LOG_LEVEL: 'info' } });
    });
    after(() => world.stop());

    it('drops no socket, says so within 5 s, refuses what needs Redis, and all works again by itself', async () => {
      const users = Array.from({ length: CLIENTS }, () => world.user());
      const clients = await Promise.all(users.map((user, n) => world.connect(world.node(n % 3), user)));
      const dropped = (): string[] =>
        clients
          .filter((client) => client.ending !== null)
          .map((client) => `${client.ending?.code} ${client.ending?.reason}`);
      await begin(world);
      const startedAt = performance.now();
      await Promise.all(
        world.cluster.nodes.map(async (node) => {
          const { reasons } = await until(
            async () => {
              const found = await notReady(node);
              return found.status === 503 && found;
            },
            { timeoutMs: 5000, everyMs: 50, what: `${node.id} says 503` },
          );
          expect(reasons, node.id).to.not.be.empty;
        }),
      );
      // A request that needs Redis, one that does not, an upgrade, and REST.
      const [one] = clients as [TestClient, ...TestClient[]];
      const refused = await one.request('subscribe_events', { event_types: ['zone_imported'] });
      expect(refused.data).to.include({ error_code: 'UNAVAILABLE' });
      expect((await one.request('ping')).type).to.equal('pong');
      const late = world.dial(world.node(0), world.user());
      const { status, retryAfterS } = await late.closed();
      expect(status).to.equal(503);
      expect(retryAfterS).to.be.greaterThan(0);
      const published = await world.rest(world.node(1), 'POST', '/broadcast', { event_type: 'zone_created', data: {} });
      expect(published.status).to.equal(503);
      expect(published.body.code).to.equal('UNAVAILABLE');
      // The outage itself is what is tested: its length is the one thing here that is time.
      await sleep(Math.max(0, OUTAGE_MS - (performance.now() - startedAt)));
      expect(dropped()).to.deep.equal([]);

      await end(world);
      await world.cluster.ready(15_000);
      expect(dropped()).to.deep.equal([]);
      await until(
        async () => {
          const entries = await Promise.all(users.map((user) => world.entry(user)));
          return clients.every((client, n) => {
            const entry = entries[n];
            return entry?.conn === client.establishedData?.connection_id && entry?.displaced === undefined;
          });
        },
        { timeoutMs: 10_000, everyMs: 100, what: 'the registry names every open connection' },
      );
      await Promise.all(
        clients.map(async (client, n) => {
          const { fence, connection_id } = await client.ask('get_connection_status', {}, 'connection_status');
          const entry = await world.entry(users[n] ?? '');
          expect(entry, users[n]).to.include({ conn: connection_id, fence: String(fence) });
        }),
      );
      const { status: accepted } = await world.rest(world.node(2), 'POST', '/broadcast', {
        event_type: 'zone_created',
        data: { n: 1 },
      });
      expect(accepted).to.equal(202);
      for (const client of clients) {
        await until(() => client.events.some((event) => event.data.n === 1), {
          timeoutMs: 10_000,
          what: 'the event arrives',
        });
      }
      expect((await one.request('subscribe_events', { event_types: ['zone_imported'] })).type).to.equal(
        'subscription_updated',
      );
      expect(dropped()).to.deep.equal([]);
    });
  });
}
