import type { ClusterHealthReport } from '@unified-ws/protocol';
import { expect } from 'chai';
import { until } from '../support/wait.js';
import { ClusterWorld } from './world.js';

const COMMAND_TIMEOUT_MS = 1000;

describe('the health of a cluster whose nodes come and go', function () {
  this.timeout(120_000);
  let world: ClusterWorld;

  before(async () => {
    const env = { LEASE_TTL_MS: '3000', COMMAND_TIMEOUT_MS: String(COMMAND_TIMEOUT_MS) };
    world = await ClusterWorld.start({ nodes: 3, env });
    await until(async () => (await health()).nodes.length === 3, { what: 'n1 knows all' });
  });
  after(() => world.stop());

  async function health(): Promise<ClusterHealthReport> {
    const { status, body } = await world.rest(world.node(0), 'GET', '/health');
    expect(status).to.equal(200);
    return body as unknown as ClusterHealthReport;
  }

  /** Once n1 does not wait for it any more: its lease is over. */
  async function forgotten(): Promise<ClusterHealthReport> {
    return until(
      async () => {
        const startedAt = performance.now();
        const report = await health();
        return performance.now() - startedAt < COMMAND_TIMEOUT_MS / 2 && report;
      },
      { timeoutMs: 40_000, everyMs: 100, what: 'a dead node is not waited for' },
    );
  }

  it('nobody connected is no fault (F6)', async () => {
    expect(await health()).to.deep.include({ status: 'healthy', score: 100, reasons: [], total_connections: 0 });
  });

  // Seen red: after its lease a dead node was in no list, and two of three nodes were a healthy cluster.
  for (const [what, end, back] of [
    ['was killed', () => world.node(1).kill9(), () => world.cluster.restart(1)],
    ['hangs', async () => world.node(1).pause(), async () => world.node(1).resume()],
  ] as const) {
    it(`a node that ${what} must be told with its name, not vanish as if it had been taken away (G7)`, async () => {
      await end();
      const report = await forgotten();
      expect(report).to.deep.include({ status: 'degraded', score: 67, missing_nodes: ['n2'] });
      expect(report.reasons.join()).to.match(/^n2: did not answer; it is paused, cut off, or died/);
      expect(report.nodes.map(({ node_id, state, score }) => [node_id, state, score])).to.deep.include([
        'n2',
        'no_answer',
        0,
      ]);
      await back();
      const whole = async (): Promise<boolean> => (await health()).nodes.every(({ state }) => state === 'ready');
      await until(whole, { timeoutMs: 40_000, everyMs: 100, what: 'n2 is back' });
      expect(await health()).to.deep.include({ status: 'healthy', score: 100, reasons: [], missing_nodes: [] });
    });
  }

  it('a node that was stopped in good order must not be missed', async () => {
    await world.node(2).stop();
    const two = async (): Promise<boolean> => (await health()).nodes.length === 2;
    await until(two, { timeoutMs: 40_000, everyMs: 100, what: 'two are left' });
    expect(await forgotten()).to.deep.include({ status: 'healthy', score: 100, reasons: [], missing_nodes: [] });
  });
});
