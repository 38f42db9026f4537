import { expect } from 'chai';
import { until } from '../support/wait.js';
import { ClusterWorld } from './world.js';

const NODES = 4;
const KEYS = 8;
const ROUNDS = 40;

describe('the order of a key over four nodes', function () {
  this.timeout(60_000);
  let world: ClusterWorld;

  before(async () => {
    world = await ClusterWorld.start({ nodes: NODES, env: { LOG_LEVEL: 'info', EVENT_QUEUE_PARTITIONS: '4' } });
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
    // All of it by a single node would prove nothing.
    const workers = await Promise.all(
      world.cluster.nodes.map(async ({ http }) => {
        const metrics = await (await fetch(`${http}/metrics`)).text();
        return [...metrics.matchAll(/^uws_worker_events_total\{.*result="appended".*\} (\d+)$/gm)].some(
          ([, count]) => Number(count) > 0,
        );
      }),
    );
    expect(workers.filter(Boolean).length).to.be.greaterThan(1);
  });
});
