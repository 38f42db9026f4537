import { type ChildProcess, spawn } from 'node:child_process';
import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { World } from '../node/support/world.js';
import { TestClient } from '../support/client.js';
import { CURRENT_MAIN, NodeProcess } from '../support/cluster.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { adminToken, TEST_SECRET, token } from '../support/tokens.js';
import { until } from '../support/wait.js';
import { call } from '../unit/server/http/support.js';

const CHILD = fileURLToPath(new URL('./processChild.js', import.meta.url));

interface Line {
  readonly msg?: string;
  readonly restart_ms?: number;
  readonly port?: number;
}

/** Lines of JSON as they come. */
function linesOf(stream: NodeJS.ReadableStream): Line[] {
  const lines: Line[] = [];
  createInterface({ input: stream }).on('line', (line) => {
    if (line.startsWith('{')) lines.push(JSON.parse(line) as Line);
  });
  return lines;
}

describe('several processes of one port', function () {
  this.timeout(60_000);
  let redis: RedisServer;
  const children: ChildProcess[] = [];

  before(async () => {
    redis = await startRedis();
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  after(() => redis.stop());

  const child = (mode: string): { readonly child: ChildProcess; readonly lines: Line[] } => {
    const started = spawn(process.execPath, [CHILD, mode], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(started);
    return { child: started, lines: linesOf(started.stdout) };
  };

  // Seen red: `write EPIPE` as an `error` that nobody listened to ended the primary, and all workers with it.
  it('must outlive that something is told to one that was just killed', async () => {
    const { child: primary, lines } = child('killed');
    const [code] = (await once(primary, 'exit')) as [number | null];
    expect({ code, last: lines.at(-1)?.msg }).to.deep.equal({ code: 0, last: 'survived' });
  });

  // Seen red: a worker that could not start was started again each second, for ever.
  it('must start one that dies at once more and more rarely', async () => {
    const { lines } = child('dying');
    const pauses = (): number[] => lines.flatMap(({ restart_ms }) => (restart_ms === undefined ? [] : [restart_ms]));
    await until(() => pauses().length >= 4, { timeoutMs: 20_000, what: 'two deaths of each' });
    expect(pauses().slice(0, 4)).to.deep.equal([1000, 1000, 2000, 2000]);
  });

  // Seen red: node:cluster's own listener ended each worker with exit code 0 before it could say a word.
  it('must end in good order when their primary is killed', async () => {
    const env = { REDIS_URL: redis.url, REDIS_PREFIX: 'orphans', NODES: '2', LEASE_TTL_MS: '60000' };
    const node = new NodeProcess({ id: 'orphan', env });
    await node.start();
    const ready = async (): Promise<boolean> => {
      const { body } = await call(node, '/readyz');
      return body.nodes.length === 2 && body.nodes.every((one: { ready: boolean }) => one.ready);
    };
    await until(ready, { timeoutMs: 30_000, what: 'both are ready' });
    const clients = Array.from({ length: 6 }, (_, n) => new TestClient(node.ws, { token: token(`orphan-${n}`) }));
    await Promise.all(clients.map((client) => client.established()));
    expect(new Set(clients.map(({ establishedData }) => establishedData?.node_id)).size, 'both have some').to.equal(2);
    await node.kill9();
    const endings = await Promise.all(clients.map((client) => client.closed()));
    expect(endings.map(({ code }) => code)).to.deep.equal(clients.map(() => 4200));
    const client = redis.client();
    // Given back, not run out.
    await until(async () => Object.values(await client.hgetall('orphans:nodes')).every((beat) => beat === 'ended'), {
      what: 'both leases are ended',
    });
    expect(await client.hget('orphans:{u:orphan-0}:conn', 'conn'), 'nor a claim').to.be.oneOf([null, '']);
  });
});

describe('a process', function () {
  this.timeout(60_000);
  const world = new World();

  before(() => world.start());
  after(() => world.stop());

  // Seen red: a connection that could not be accepted ended the process, as an `error` that nobody listened to.
  it('must live on when its port has an error', async () => {
    const node = await world.node();
    const asked = channel('http.server.request.start');
    let server: Server | undefined;
    const see = (message: unknown): void => {
      server ??= (message as { server: Server }).server;
    };
    asked.subscribe(see);
    await call(node, '/livez');
    asked.unsubscribe(see);
    server?.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
    expect(await node.readiness()).to.equal(200);
    const { text } = await call(node, '/metrics');
    expect(text).to.match(/^uws_reports_total\{[^}]*where="http.server"[^}]*\} 1$/m);
  });

  // Seen red: pino wrote nothing ever again, and nothing else said so.
  it('must not fall silent when nobody reads its log any more, and must say so', async () => {
    const node = spawn(process.execPath, [CURRENT_MAIN], {
      env: {
        PATH: process.env.PATH,
        HOST: '127.0.0.1',
        PORT: '0',
        NODE_ID: 'mute',
        REDIS_URL: world.redis.url,
        JWT_SECRET: TEST_SECRET,
        EVENT_QUEUE_PARTITIONS: '1',
        LOG_LEVEL: 'debug',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const errors = linesOf(node.stderr);
    try {
      const lines = linesOf(node.stdout);
      const { port = 0 } = await until(() => lines.find((line) => line.port !== undefined), { what: 'it listens' });
      await until(() => lines.find(({ msg }) => msg === 'ready'), { what: 'it is ready' });
      node.stdout.destroy();
      const client = new TestClient(`ws://127.0.0.1:${port}`, { token: token('heard') });
      await client.established();
      await client.close();
      await until(() => errors.find(({ msg }) => msg === 'established'), { what: 'the log goes on elsewhere' });
      const http = `http://127.0.0.1:${port}`;
      const { body } = await call({ http }, '/readyz');
      expect(body.ready).to.equal(true);
      expect(body.notices).to.include(
        'log: standard output cannot be written (EPIPE); lines go to standard error, or are lost',
      );
      const health = await call({ http }, 'health', { token: adminToken() });
      expect(JSON.stringify(health.body), 'the cluster knows it too').to.include('standard output cannot be written');
      const { text } = await call({ http }, '/metrics');
      expect(text).to.match(/^uws_log_lines_astray_total\{[^}]*to="stderr"[^}]*\} [1-9]/m);
      node.stderr.destroy();
      const again = new TestClient(`ws://127.0.0.1:${port}`, { token: token('unheard') });
      await again.established();
      await again.close();
      expect((await call({ http }, '/livez')).status, 'with nobody left to tell').to.equal(200);
    } finally {
      node.kill('SIGTERM');
      if (node.exitCode === null) await once(node, 'exit');
    }
  });
});
