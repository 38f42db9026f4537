import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { expect } from 'chai';
import { TestClient } from '../support/client.js';
import { CURRENT_MAIN, NodeProcess } from '../support/cluster.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { TEST_SECRET, token } from '../support/tokens.js';
import { until } from '../support/wait.js';

describe('SIGHUP', function () {
  this.timeout(30_000);
  const dir = mkdtempSync(join(tmpdir(), 'uws-sighup-'));
  const file = join(dir, 'events.json');
  let redis: RedisServer;

  const write = (without?: string): void => {
    const { event_types, ...rest } = structuredClone(loadCatalogue().raw);
    const kept = Object.entries(event_types).filter(([type]) => type !== without);
    writeFileSync(file, JSON.stringify({ ...rest, event_types: Object.fromEntries(kept) }));
  };

  before(async () => {
    redis = await startRedis();
  });
  after(async () => {
    await redis.stop();
    rmSync(dir, { recursive: true });
  });

  async function typesOf(node: NodeProcess): Promise<string[]> {
    const response = await fetch(`${node.http}/api/unified/ws/info`);
    return ((await response.json()) as { supported_event_types: string[] }).supported_event_types;
  }

  for (const nodes of ['1', '2']) {
    it(`must reload the catalogue of ${nodes} process(es), refuse a broken one with its place, and drop nobody`, async () => {
      write();
      const env = { REDIS_URL: redis.url, REDIS_PREFIX: `p${nodes}`, EVENT_CATALOGUE: file, NODES: nodes };
      const node = new NodeProcess({ id: 'n', env });
      const lines: string[] = [];
      node.log.onLine = (line) => lines.push(line);
      const said = (text: string): string[] => lines.filter((line) => line.includes(text));
      await node.start();
      const clients: TestClient[] = [];
      try {
        await node.ready();
        for (let n = 0; n < 4; n += 1) clients.push(new TestClient(node.ws, { token: token(`u${n}`) }));
        await Promise.all(clients.map((client) => client.established()));
        for (const client of clients) {
          await client.ask('subscribe_events', { event_types: ['disk_metrics'] }, 'subscription_updated');
        }
        write('disk_metrics');
        process.kill(node.pid, 'SIGHUP');
        for (const client of clients) {
          const reported = await client.waitFor(
            'subscription_updated',
            ({ data }) => data.reason === 'catalogue_reloaded',
          );
          expect(reported.data.errors).to.deep.equal([{ event_type: 'disk_metrics', error: 'unknown_event_type' }]);
        }
        writeFileSync(file, '{\n  "version": 1,\n  oops\n}');
        process.kill(node.pid, 'SIGHUP');
        await until(() => said('the new event catalogue is not valid').length === Number(nodes), { what: 'refusals' });
        for (const line of said('the new event catalogue is not valid')) {
          expect(line).to.include('line 3, column 3').and.include(file);
        }
        expect(await typesOf(node))
          .to.include('zone_created')
          .and.not.include('disk_metrics');
        for (const client of clients) expect(client.isOpen).to.equal(true);
      } finally {
        for (const client of clients) client.terminate();
        expect(await node.stop()).to.equal(0);
      }
    });
  }

  it('a start with a broken catalogue must end with its place, as one with a wrong setting does', () => {
    writeFileSync(file, '{"version": 1,}');
    for (const args of [[], ['--check']]) {
      const env = { PATH: process.env.PATH, REDIS_URL: redis.url, EVENT_CATALOGUE: file, JWT_SECRET: TEST_SECRET };
      const { status, stderr } = spawnSync(process.execPath, [CURRENT_MAIN, ...args], { env, encoding: 'utf8' });
      expect(status).to.equal(2);
      expect(stderr).to.equal(
        `EVENT_CATALOGUE: event catalogue ${file}: line 1, column 15: ${stderr.split(': ').at(-1) ?? ''}`,
      );
    }
  });
});
