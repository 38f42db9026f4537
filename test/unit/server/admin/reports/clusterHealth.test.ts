import type { ClusterHealthReport, ClusterStatsReport, NodeStats } from '@unified-ws/protocol';
import { listNodes } from '@unified-ws/server/admin/cluster/drains';
import { ClusterHealth } from '@unified-ws/server/admin/reports/clusterHealth';
import type { ClusterStats } from '@unified-ws/server/admin/reports/clusterStats';
import { expect } from 'chai';

const OK = { ok: true, value: 0, limit: 1 };
const CHECKS = { redis: OK, bus: OK, lease: OK, event_loop: OK, workers: OK, parts: OK, draining: OK };
const QUEUE = { size: 0, max: 100, counts: { failed: 0 }, by_queue: {}, paused: [] as string[] };

function node(id: string, failing: readonly (keyof typeof CHECKS)[] = [], stalledMs = 0): NodeStats {
  const failed = failing.map((name) => [name, { ...OK, ok: false }]);
  return {
    node_id: id,
    process_id: `${id}~1`,
    ready: failing.length === 0,
    draining: failing.includes('draining'),
    reasons: failing.map((name) => `${name}: broken`),
    notices: [],
    checks: { ...CHECKS, ...Object.fromEntries(failed) },
    connections: { total: 3, max: 10, healthy: 2, with_errors: 1 },
    queue_workers: { lanes: [{ queue: 'events-0', stalled_ms: stalledMs }] },
    memory: { rss: 1 },
    event_loop_lag_ms: { p99: 1 },
    clock: { offset_ms: 0, redis_offset_ms: { main: 0 } },
  } as unknown as NodeStats;
}

interface Facts {
  readonly nodes?: readonly NodeStats[];
  readonly missing?: readonly string[];
  readonly queue?: Partial<typeof QUEUE> | null;
}

function statsOf({ nodes = [node('a'), node('b')], missing = [], queue = {} }: Facts): Pick<ClusterStats, 'read'> {
  const report = {
    nodes,
    missing_nodes: missing,
    queue: queue === null ? null : { ...QUEUE, ...queue },
    connections_by_status: {},
  };
  return { read: async () => report as unknown as ClusterStatsReport };
}

const health = (facts: Facts): Promise<ClusterHealthReport> =>
  new ClusterHealth(statsOf(facts) as ClusterStats, 10_000).read();

describe('The health of the cluster', () => {
  it('an idle cluster is healthy: the predecessor called it unhealthy, at 0 points (F6)', async () => {
    const report = await health({});
    expect([report.status, report.score, report.reasons]).to.deep.equal(['healthy', 100, []]);
  });

  // Seen red: all that were connected passed for healthy, those with faults too.
  it('connections that their own list calls unhealthy must not count as healthy', async () => {
    const { healthy_connections, error_connections } = await health({});
    expect([healthy_connections, error_connections]).to.deep.equal([4, 2]);
  });

  it('a Redis whose clock most nodes contradict is named, or all their tokens and times are off and nobody says why', async () => {
    const at = (id: string, offset_ms: number): NodeStats => ({
      ...node(id),
      clock: { offset_ms, redis_offset_ms: { main: 0 } },
    });
    const wrongNode = await health({ nodes: [at('a', 0), at('b', 100), at('c', 90_000)] });
    expect(wrongNode.reasons).to.deep.equal([]);
    const wrongRedis = await health({ nodes: [at('a', -600_000), at('b', -600_100), at('c', 0)] });
    expect(wrongRedis.reasons).to.deep.equal([
      "clock: the clock of Redis (main) is 10 min ahead of the median of the nodes' wall clocks",
    ]);
    expect(wrongRedis.status).to.equal('degraded');
  });

  const cases: readonly [string, Facts, string, number, readonly string[]][] = [
    ['a node without Redis', { nodes: [node('a'), node('b', ['redis'])] }, 'degraded', 50, ['b: redis: broken']],
    ['a deaf node', { nodes: [node('a'), node('b', ['bus'])] }, 'degraded', 50, ['b: bus: broken']],
    ['a fenced node', { nodes: [node('a'), node('b', ['lease'])] }, 'degraded', 50, ['b: lease: broken']],
    ['a saturated node', { nodes: [node('a'), node('b', ['event_loop'])] }, 'degraded', 70, ['b: event_loop: broken']],
    [
      'workers that get nowhere',
      { nodes: [node('a'), node('b', ['workers'])] },
      'degraded',
      80,
      ['b: workers: broken'],
    ],
    ['a node on its way out', { nodes: [node('a'), node('b', ['draining'])] }, 'healthy', 100, ['b: draining: broken']],
    ['the last node on its way out', { nodes: [node('a', ['draining'])] }, 'unhealthy', 0, ['a: draining: broken']],
    [
      'a silent node',
      { missing: ['c'] },
      'degraded',
      67,
      ['c: did not answer; it is paused, cut off, or died about a minute ago or less'],
    ],
    ['queues that do not answer', { queue: null }, 'unhealthy', 40, ['queue: does not answer']],
    ['a full queue', { queue: { size: 100 } }, 'degraded', 60, ['queue: full (100 of 100 jobs)']],
    ['a queue that fills up', { queue: { size: 80 } }, 'degraded', 80, ['queue: nearly full (80 of 100 jobs)']],
    ['a paused queue', { queue: { paused: ['events-0'] } }, 'healthy', 90, ['queue: paused by an admin (events-0)']],
    [
      'a queue whose next job nobody starts',
      { nodes: [node('a', [], 12_000), node('b', [], 11_000)] },
      'unhealthy',
      40,
      ['queue: no worker has started the next job of events-0 for 12 s'],
    ],
    ['failed jobs', { queue: { counts: { failed: 2 } } }, 'healthy', 90, ['queue: 2 failed jobs wait to be looked at']],
  ];
  for (const [name, facts, status, score, reasons] of cases) {
    it(`${name}: ${status} at ${score}, and says why`, async () => {
      const report = await health(facts);
      expect([report.status, report.score, report.reasons]).to.deep.equal([status, score, reasons]);
    });
  }

  it('what several nodes notice must be told once, and take off once', async () => {
    const notice = { text: 'queue: is odd', penalty: 20 };
    const noticing = (id: string): NodeStats => ({ ...node(id), notices: [notice] });
    const report = await health({ nodes: [noticing('a'), noticing('b')] });
    expect([report.status, report.score, report.reasons]).to.deep.equal(['degraded', 80, [notice.text]]);
    const mention = { ...notice, penalty: 0 };
    const mentioned = await health({ nodes: [{ ...node('a'), notices: [mention] }, node('b')] });
    expect([mentioned.status, mentioned.score, mentioned.reasons]).to.deep.equal(['healthy', 100, [mention.text]]);
  });

  it('of several faults of the queue the worst counts, and each is told', async () => {
    const report = await health({ queue: { size: 100, paused: ['events-0'], counts: { failed: 1 } } });
    expect(report.score).to.equal(60);
    expect(report.reasons).to.have.length(3);
  });
});

describe('The list of nodes', () => {
  it('a node that does not answer must be in it, not vanish from it', async () => {
    const { nodes } = await listNodes(statsOf({ nodes: [node('a'), node('b', ['draining'])], missing: ['c'] }));
    expect(nodes.map(({ node_id, state, score }) => [node_id, state, score])).to.deep.equal([
      ['a', 'ready', 100],
      ['b', 'draining', 0],
      ['c', 'no_answer', 0],
    ]);
    expect(nodes[2]?.facts).to.equal(null);
  });
});
