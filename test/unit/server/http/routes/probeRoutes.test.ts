import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { expect } from 'chai';
import { type LocalNode, World } from '../../../../node/support/world.js';
import { adminToken, token } from '../../../../support/tokens.js';
import { until } from '../../../../support/wait.js';
import { parseMetrics } from '../../observability/health/support.js';
import { StubApp } from '../stubApp.js';
import { call, expectProblem } from '../support.js';

const PRODUCTION = {
  NODE_ENV: 'production',
  JWT_SECRET: 'a-production-secret-of-the-tests-0123456789',
  JWT_ISSUER: 'https://issuer.example',
  JWT_AUDIENCE: 'unified',
  ALLOWED_ORIGINS: 'https://app.example',
};

/** The status with which an upgrade is refused. */
async function refusedUpgrade(node: LocalNode, path: string): Promise<number | undefined> {
  const upgrade = request({ port: node.port, path, headers: { connection: 'Upgrade', upgrade: 'websocket' } });
  upgrade.end();
  const [response] = (await once(upgrade, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

describe('The probes at the root', () => {
  const world = new World();
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node();
  });

  afterEach(() => world.endClients());
  after(() => world.stop());

  it('/livez and /readyz need no token and tell who answers', async () => {
    const live = await call(node, '/livez');
    expect(live.status).to.equal(200);
    expect(live.body).to.include({ status: 'ok', node_id: 'n1' });
    const ready = await call(node, '/readyz');
    expect(ready.status).to.equal(200);
    expect(ready.body).to.include({ ready: true, node_id: 'n1' });
    expect(ready.body.checks).to.have.all.keys('redis', 'bus', 'lease', 'event_loop', 'workers', 'parts', 'draining');
    expect(ready.body.reasons).to.deep.equal([]);
  });

  it('/readyz is 503 from the first moment of a drain', async () => {
    const leaving = await world.node({ DRAIN_MS: '3000' });
    // A peer that never answers the close frame keeps the drain going.
    const stubborn = await world.raw(leaving, { token: token(world.user()) });
    await until(async () => (await call(leaving, 'stats', { token: adminToken() })).body.total_connections === 1, {
      what: 'it is connected',
    });
    const stopped = leaving.node.stop();
    const answer = await call(leaving, '/readyz');
    stubborn.destroy();
    await stopped;
    expect(answer.status).to.equal(503);
    expect(answer.body.reasons).to.include('draining: the node accepts no more connections');
    expect(answer.headers.get('retry-after')).to.be.a('string');
  });

  describe('/metrics', () => {
    it('are open outside production while no token is set', async () => {
      const answer = await call(node, '/metrics');
      expect(answer.status).to.equal(200);
      expect(answer.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/);
      expect(parseMetrics(answer.text).get('uws_ready')?.series[0]?.value).to.equal(1);
    });

    it('are not there in production while no token is set', async () => {
      const production = await world.node(PRODUCTION);
      expectProblem(await call(production, '/metrics'), 404, 'NOT_FOUND');
      expectProblem(await call(production, '/metrics', { token: adminToken() }), 404, 'NOT_FOUND');
    });

    it('answer their own token alone, in production too', async () => {
      const guarded = await world.node({ ...PRODUCTION, METRICS_TOKEN: 'metrics-secret' });
      expectProblem(await call(guarded, '/metrics'), 401, 'AUTH_ERROR');
      for (const bad of ['metrics-secre', 'metrics-secret-2', 'Metrics-secret', adminToken()]) {
        const answer = await call(guarded, '/metrics', { token: bad });
        expectProblem(answer, 401, 'AUTH_ERROR');
        expect(answer.text).not.to.include('metrics-secret');
      }
      const answer = await call(guarded, '/metrics', { token: 'metrics-secret' });
      expect(answer.status).to.equal(200);
      expect(answer.text).not.to.include('metrics-secret');
    });

    it('count what happens', async () => {
      const other = await world.node();
      const user = world.user();
      const replaced = await world.connect(other, user);
      const client = await world.connect(node, user);
      expect((await replaced.closed()).code).to.equal(4001);
      await client.ask('ping', undefined, 'pong');
      await client.request('no_such_type');
      await call(node, 'broadcast', { token: adminToken(), json: { event_type: 'zone_updated', data: {} } });
      await client.waitFor('zone_updated');
      expect(await refusedUpgrade(node, '/elsewhere')).to.equal(404);
      await client.close();
      const found = await until(
        async () => {
          const metrics = parseMetrics((await call(node, '/metrics')).text);
          const closed = metrics.get('uws_connections_closed_total')?.series ?? [];
          return closed.some(({ labels }) => labels.code === '1000') ? metrics : null;
        },
        { what: 'the close is counted' },
      );
      const value = (name: string, labels: Record<string, string> = {}): number | undefined =>
        found.get(name.replace(/_count$/, ''))?.series.find((series) => {
          return series.name === name && Object.entries(labels).every(([label, is]) => series.labels[label] === is);
        })?.value;
      expect(value('uws_connections_accepted_total')).to.be.at.least(1);
      expect(value('uws_connections_established_total')).to.be.at.least(1);
      expect(value('uws_connect_seconds_count')).to.be.at.least(1);
      expect(value('uws_takeovers_total')).to.equal(1);
      expect(value('uws_handover_seconds_count')).to.equal(1);
      const evicting = parseMetrics((await call(other, '/metrics')).text);
      expect(evicting.get('uws_evictions_total')?.series[0]?.value).to.equal(1);
      expect(value('uws_messages_received_total', { type: 'ping' })).to.be.at.least(1);
      expect(value('uws_errors_total', { code: 'UNKNOWN_MESSAGE_TYPE' })).to.be.at.least(1);
      expect(value('uws_upgrades_refused_total', { reason: 'path' })).to.be.at.least(1);
      expect(value('uws_event_deliveries_total')).to.be.at.least(1);
      expect(value('uws_event_bytes_total')).to.be.above(50);
      expect(value('uws_publishes_total', { result: 'accepted' })).to.be.at.least(1);
      expect(value('uws_connections', { status: 'recovering' })).to.equal(0);
      expect(value('process_resident_memory_bytes')).to.be.above(1_000_000);
    });

    it('show the queues once somebody has looked', async () => {
      const jobs = await until(
        async () => {
          const family = parseMetrics((await call(node, '/metrics')).text).get('uws_queue_jobs');
          return family?.series.length ? family.series : null;
        },
        { what: 'the queues were counted' },
      );
      expect(jobs.map(({ labels }) => `${labels.queue} ${labels.state}`)).to.include('events-urgent waiting');
    });

    it('have no series more after hundreds of strange requests', async () => {
      const admin = adminToken();
      const strange = async (n: number): Promise<void> => {
        await call(node, `nope-${n}`);
        await call(node, `/x${n}/y?z=${n}`, { method: n % 2 ? 'POST' : 'DELETE' });
        await call(node, `user/somebody-${n}`, { token: admin });
        await call(node, `disconnect/somebody-${n}`, { token: admin, json: { [`field-${n}`]: 1 } });
        await call(node, 'stats', { token: `bad-${n}` });
      };
      await strange(0);
      await strange(1);
      const series = async (): Promise<string[]> => {
        const families = parseMetrics((await call(node, '/metrics')).text);
        return [...families.values()]
          .filter(({ name }) => name.startsWith('uws_'))
          .flatMap((family) => family.series.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`));
      };
      const before = await series();
      for (let n = 2; n < 100; n += 20) {
        await Promise.all(Array.from({ length: 20 }, (_, index) => strange(n + index)));
      }
      const after = await series();
      expect(after.filter((one) => !before.includes(one))).to.deep.equal([]);
    });
  });
});

describe('The probes of processes that share a port', () => {
  const report = (nodeId: string, reasons: readonly string[]) => {
    return { ready: reasons.length === 0, node_id: nodeId, checks: {}, reasons };
  };
  const metrics = '# HELP uws_ready Ready.\n# TYPE uws_ready gauge\nuws_ready 1\n';
  let answers: { nodeId: string; answer: unknown }[] = [];
  let app: StubApp;
  let peers = { others: 1, fit: 1 };

  before(async () => {
    app = await StubApp.listen({
      siblings: { ask: async () => answers },
      peers: () => peers,
      reports: { metrics: { rest: () => undefined, contentType: 'text/plain; version=0.0.4; charset=utf-8' } },
    });
  });

  after(() => app.close());

  it('/readyz is 200 only when all of them are ready: the balancer cannot choose among them', async () => {
    answers = [
      { nodeId: 'a-1', answer: report('a-1', []) },
      { nodeId: 'a-2', answer: report('a-2', []) },
    ];
    const all = await call(app, '/readyz');
    expect(all.status).to.equal(200);
    expect(all.body.nodes.map((node: { node_id: string }) => node.node_id)).to.deep.equal(['a-1', 'a-2']);
    answers = [
      { nodeId: 'a-1', answer: report('a-1', ['redis: not connected']) },
      { nodeId: 'a-2', answer: null },
    ];
    const none = await call(app, '/readyz');
    expect(none.status).to.equal(503);
    expect(none.body.reasons).to.deep.equal(['a-1: redis: not connected', 'a-2: does not answer']);
    answers = [];
    expect((await call(app, '/readyz')).status).to.equal(503);
  });

  it('/readyz stays 200 with some of them while no other container is better off, or the balancer would have none', async () => {
    answers = [
      { nodeId: 'a-1', answer: report('a-1', []) },
      { nodeId: 'a-2', answer: null },
    ];
    for (const [others, fit, status] of [
      [1, 1, 503],
      [1, 0, 200],
      [0, 0, 200],
    ] as const) {
      peers = { others, fit };
      const { status: found, body } = await call(app, '/readyz');
      expect(found, JSON.stringify(peers)).to.equal(status);
      expect(status === 200 ? body.notices : body.reasons).to.deep.equal(['a-2: does not answer']);
    }
    answers = [{ nodeId: 'a-2', answer: null }];
    expect((await call(app, '/readyz')).status, 'none is ready').to.equal(503);
  });

  it('/metrics holds those of all, told apart by the label node', async () => {
    answers = [
      { nodeId: 'a-1', answer: metrics },
      { nodeId: 'a-2', answer: metrics },
      { nodeId: 'a-3', answer: null },
    ];
    const { text } = await call(app, '/metrics');
    const series = parseMetrics(text).get('uws_ready')?.series;
    expect(series?.map(({ labels }) => labels)).to.deep.equal([{ node: 'a-1' }, { node: 'a-2' }]);
  });
});
