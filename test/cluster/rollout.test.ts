import { expect } from 'chai';
import type { TestClient } from '../support/client.js';
import { token } from '../support/tokens.js';
import { ClusterWorld } from './world.js';

const USERS = 30;
const ROUNDS = 20;

/** Milliseconds; far above what is measured, so that a loaded machine does not fail for its load. */
const ALL_NODES_MS = 1000;

describe('a roll-back over three nodes', function () {
  this.timeout(60_000);
  let world: ClusterWorld;

  before(async () => {
    world = await ClusterWorld.start({ env: { LEGACY_ENDPOINTS: 'true' } });
  });
  after(() => world.stop());

  async function endpoints(user: string): Promise<string[]> {
    return Promise.all(
      world.cluster.nodes.map(async ({ http }) => {
        const headers = { authorization: `Bearer ${token(user)}` };
        const answer = await fetch(`${http}/api/unified/ws/rollout/me`, { headers });
        return ((await answer.json()) as { endpoint: string }).endpoint;
      }),
    );
  }

  // Seen red with the nodes told of nothing: each then comes to it by itself, up to 2 s later.
  it('must be in force on each of them when it is answered, and reach the clients that have moved', async () => {
    const full = { mode: 'full', percentage: 0, user_list: [], force_legacy: [], enforce: true };
    const clients: TestClient[] = [];
    for (let n = 0; n < USERS; n += 1) clients.push(await world.connect(world.node(n % 3), world.user()));
    const took: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const switched = await world.rest(world.node(round % 3), 'PUT', '/rollout', full);
      expect(switched.body).to.deep.include({ result: 'changed', missing_nodes: [] });
      expect(await endpoints('anybody')).to.deep.equal(['unified', 'unified', 'unified']);
      const startedAt = performance.now();
      const { status, body } = await world.rest(world.node((round + 1) % 3), 'POST', '/rollout/rollback', {});
      took.push(performance.now() - startedAt);
      expect(status).to.equal(200);
      expect(body.missing_nodes).to.deep.equal([]);
      expect((body.nodes as { node_id: string }[]).map(({ node_id }) => node_id)).to.have.members(['n1', 'n2', 'n3']);
      expect(await endpoints('anybody')).to.deep.equal(['legacy', 'legacy', 'legacy']);
    }
    took.sort((a, b) => a - b);
    const at = (share: number): string => (took[Math.floor(share * (ROUNDS - 1))] ?? 0).toFixed(1);
    console.log(`      roll-back until all nodes had it: p50 ${at(0.5)} ms, most ${at(1)} ms of ${ROUNDS}`);
    expect(took.at(-1)).to.be.below(ALL_NODES_MS);
    for (const client of clients) {
      const reported = await client.waitFor('rollout_changed', ({ data }) => data.endpoint === 'legacy');
      expect(reported.data).to.deep.equal({ endpoint: 'legacy', reason: 'disabled', enforced: false });
      expect(client.isOpen).to.equal(true);
    }
  });

  it('must hold after every node was killed: what is in force is in Redis', async () => {
    const listed = { mode: 'testing', percentage: 0, user_list: ['listed'], force_legacy: [], enforce: false };
    await world.rest(world.node(0), 'PUT', '/rollout', listed);
    await world.cluster.kill();
    for (const index of [0, 1, 2]) await world.cluster.restart(index);
    expect(await endpoints('listed')).to.deep.equal(['unified', 'unified', 'unified']);
    expect(await endpoints('other')).to.deep.equal(['legacy', 'legacy', 'legacy']);
  });
});
