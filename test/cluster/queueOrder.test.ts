import { expect } from 'chai';
import { until } from '../support/wait.js';
import { ClusterWorld } from './world.js';

const NODES = 4;
const KEYS = 8;
const ROUNDS = 40;

/** Where events are appended at once, where each is a job, and where nodes of both kinds run side by side (Q8). */
const MODES = {
  auto: ['auto', 'auto', 'auto', 'auto'],
  always: ['always', 'always', 'always', 'always'],
  mixed: ['auto', 'always', 'auto', 'always'],
} as const;

for (const [mode, settings] of Object.entries(MODES)) {
  describe(`the order of a key over four nodes (EVENT_QUEUE ${mode})`, function () {
    this.timeout(60_000);
    let world: ClusterWorld;

    before(async () => {
      world = await ClusterWorld.start({
        nodes: NODES,
        env: { LOG_LEVEL: 'info', EVENT_QUEUE_PARTITIONS: '4' },
        envOf: (index) => ({ EVENT_QUEUE: settings[index] ?? 'auto' }),
      });
    });
    after(() => world.stop());

    it('must be that in which its events were accepted, whichever node took them (Q3)', async () => {
      const client = await world.connect(world.node(3), world.user());
      const publish = async (key: number): Promise<void> => {
        for (let round = 0; round < ROUNDS; round += 1) {
          const { status } = await world.rest(world.node((key + round) % NODES), 'POST', '/events', {
            event_type: 'zone_updated',
            data: { key, round },
            ordering_key: `key-${key}`,
          });
          expect(status).to.equal(202);
        }
      };
      await Promise.all(Array.from({ length: KEYS }, (_, key) => publish(key)));
      await until(() => client.events.length >= KEYS * ROUNDS, { timeoutMs: 15_000, what: 'all arrive' });
      for (let key = 0; key < KEYS; key += 1) {
        const rounds = client.events.filter(({ data }) => data.key === key).map(({ data }) => data.round);
        expect(rounds, `key ${key}`).to.deep.equal(Array.from({ length: ROUNDS }, (_, round) => round));
      }
      // All of it by a single node, or in one way, would prove nothing.
      const ways = await Promise.all(
        world.cluster.nodes.map(async ({ http }) => {
          const metrics = await (await fetch(`${http}/metrics`)).text();
          const sum = (way: string): number =>
            [...metrics.matchAll(new RegExp(`^uws_events_accepted_total\\{.*way="${way}".*\\} (\\d+)$`, 'gm'))].reduce(
              (total, [, count]) => total + Number(count),
              0,
            );
          return { direct: sum('direct'), queued: sum('queued') };
        }),
      );
      for (const [index, setting] of settings.entries()) {
        const { direct, queued } = ways[index] ?? {};
        expect(setting === 'always' ? queued : direct, `node ${index} ${JSON.stringify(ways)}`).to.be.above(0);
        if (setting === 'always') expect(direct).to.equal(0);
      }
    });
  });
}
