import { NODE_METRICS } from '@unified-ws/server/admin/reports/nodeMetrics';
import { QueueSample } from '@unified-ws/server/events/queue/queueSample';
import { EXTENSIONS } from '@unified-ws/server/node';
import { mergeMetrics } from '@unified-ws/server/observability/metrics/mergeMetrics';
import { metricsMarkdown } from '@unified-ws/server/observability/metrics/metrics';
import { Tally } from '@unified-ws/server/util/tally';
import { expect } from 'chai';
import { World } from '../../../../node/support/world.js';
import { until } from '../../../../support/wait.js';
import { parseMetrics } from '../health/support.js';

const TABLE = [...NODE_METRICS, ...EXTENSIONS].flatMap(({ metrics }) => metrics);

describe('The metrics of a node', () => {
  const world = new World();

  before(() => world.start());
  after(() => world.stop());

  it('are those of the table, with its types, help and labels', async () => {
    const node = await world.node();
    const client = await world.connect(node);
    await client.request('ping');
    const families = parseMetrics(await (await fetch(`${node.http}/metrics`)).text());
    expect([...families.keys()].sort()).to.deep.equal(TABLE.map(({ name }) => name).sort());
    for (const metric of TABLE) {
      const family = families.get(metric.name);
      expect(family?.type, metric.name).to.equal(metric.type);
      expect(family?.help, metric.name).to.equal(metric.help);
      const known = new Set<string>(metric.labels);
      if (metric.type === 'histogram') known.add('le');
      for (const { labels } of family?.series ?? []) {
        expect([...known], metric.name).to.include.members(Object.keys(labels));
      }
    }
  });

  it('of two nodes in one process are apart', async () => {
    const [one, two] = [await world.node(), await world.node()];
    await world.connect(one);
    const established = async (http: string): Promise<number | undefined> => {
      const families = parseMetrics(await (await fetch(`${http}/metrics`)).text());
      return families.get('uws_connections_established_total')?.series[0]?.value;
    };
    expect([await established(one.http), await established(two.http)]).to.deep.equal([1, 0]);
  });

  it('have names and labels as Prometheus wants them', () => {
    expect(new Set(TABLE.map(({ name }) => name)).size).to.equal(TABLE.length);
    for (const { name, type, help } of TABLE) {
      expect(name).to.match(/^(uws|process|nodejs)_[a-z0-9_]+$/);
      expect(name.endsWith('_total'), name).to.equal(type === 'counter');
      expect(help, name).to.match(/^[A-Z0-9].*\.$/);
    }
  });

  it('are all in docs/METRICS.md', () => {
    const page = metricsMarkdown(TABLE);
    for (const { name, type, help } of TABLE)
      expect(page)
        .to.match(new RegExp(`\\| \`${name}\` \\| ${type} \\|`))
        .and.include(help);
  });
});

describe('The queue sample', () => {
  const clock = { now: () => 0, mono: () => performance.now() };

  it('never waits, not even for a Redis that hangs', () => {
    let asked = 0;
    const hanging = {
      counts: () => {
        asked += 1;
        return new Promise<never>(() => undefined);
      },
      paused: async () => [],
    };
    const sample = new QueueSample({ queues: hanging, clock, report: () => undefined });
    for (let i = 0; i < 5; i += 1) expect(sample.look()).to.equal(null);
    expect(asked, 'questions at one time').to.equal(1);
  });

  it('asks again after a failure, which is reported', async () => {
    const failures: unknown[] = [];
    let asked = 0;
    const queues = {
      counts: async () => {
        asked += 1;
        if (asked === 1) throw new Error('away');
        return new Map();
      },
      paused: async () => [],
    };
    const sample = new QueueSample({ queues, clock, report: (error) => void failures.push(error) });
    await until(() => sample.look(), { what: 'a sample' });
    expect(failures).to.have.length(1);
  });
});

describe('The merged metrics of several processes', () => {
  const text = (ready: number, code: string): string =>
    [
      '# HELP uws_ready Ready.',
      '# TYPE uws_ready gauge',
      `uws_ready ${ready}`,
      '',
      '# HELP uws_errors_total Errors.',
      '# TYPE uws_errors_total counter',
      `uws_errors_total{code="${code}"} 2`,
      '',
    ].join('\n');

  it('keep the series of a metric together and tell the nodes apart', () => {
    const merged = mergeMetrics([
      { nodeId: 'a-1', text: text(1, 'X') },
      { nodeId: 'a"2\\', text: text(0, 'Y') },
    ]);
    const families = parseMetrics(merged);
    expect(families.get('uws_ready')?.series.map(({ labels, value }) => [labels, value])).to.deep.equal([
      [{ node: 'a-1' }, 1],
      [{ node: 'a\\"2\\\\' }, 0],
    ]);
    expect(families.get('uws_errors_total')?.series.map(({ labels }) => labels)).to.deep.equal([
      { node: 'a-1', code: 'X' },
      { node: 'a\\"2\\\\', code: 'Y' },
    ]);
  });
});

describe('A tally', () => {
  it('is bounded, whatever names come', () => {
    const tally = new Tally();
    for (let i = 0; i < 10_000; i += 1) tally.add(`name-${i}`);
    tally.add('name-1');
    const record = tally.toRecord();
    expect(Object.keys(record).length).to.equal(201);
    expect(record['name-1']).to.equal(2);
    expect(record.other).to.equal(9800);
    expect(tally.total).to.equal(10_001);
  });

  it('takes names that every object inherits', () => {
    const tally = new Tally();
    tally.add('constructor');
    tally.add('__proto__');
    expect(Object.entries(tally.toRecord())).to.deep.equal([
      ['constructor', 1],
      ['__proto__', 1],
    ]);
  });
});
