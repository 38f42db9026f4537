import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { Redis } from 'ioredis';
import { TestClient } from '../../support/client.js';
import { CURRENT_MAIN, NodeProcess } from '../../support/cluster.js';
import { TOKEN } from '../../support/logGuard.js';
import { type RedisServer, startRedis } from '../../support/redis.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';

/** Planted; each is looked for in everything that the nodes write. */
const PLANTED = {
  password: 'planted/redis@pass:word%1',
  key: 'planted-key-of-the-tokens-0123456789abcdef',
  metrics: 'planted-metrics-token-0123456789',
  payload: 'planted-payload-of-an-event',
  query: 'planted-token-in-a-query',
};
/** May stand in security and audit records alone, as may the addresses of users. */
const USER = 'planted-user';
const LOGIN = `app:${encodeURIComponent(PLANTED.password)}`;

/** Records of who did what: they are made to name users. */
function namesUsers(line: string): boolean {
  try {
    const record = JSON.parse(line) as Record<string, unknown>;
    return record.security !== undefined || record.audit !== undefined;
  } catch {
    return false; // no JSON: the text of a crash, or of a library
  }
}

describe('the log of a node to which everything happens', function () {
  this.timeout(60_000);
  let redis: RedisServer;
  let admin: Redis;
  let node: NodeProcess;
  let env: Record<string, string>;
  const lines: string[] = [];
  const user = (n: number): string => `${USER}-${n}`;
  const good = (n: number, roles: readonly string[] = ['admin']): string =>
    token(user(n), { roles, secret: PLANTED.key });

  before(async () => {
    redis = await startRedis({ args: ['--user', 'app', 'on', `>${PLANTED.password}`, '~*', '&*', '+@all'] });
    // Under a name of its own: what the test takes from `app` it keeps.
    admin = redis.client();
    env = {
      REDIS_URL: redis.url.replace('//', `//${LOGIN}@`),
      JWT_SECRET: PLANTED.key,
      METRICS_TOKEN: PLANTED.metrics,
      LOG_LEVEL: 'info',
      EVENT_QUEUE_PARTITIONS: '1',
      REDIS_COMMAND_TIMEOUT_MS: '300',
      LEASE_TTL_MS: '3000',
    };
    node = new NodeProcess({ id: 'planted', env });
    node.log.onLine = (line) => lines.push(line);
    await node.start();
    await node.ready();
  });
  after(async () => {
    await node.kill9();
    await redis.stop();
  });

  /** Waits until the node has said of the place that it failed there. */
  async function said(text: string): Promise<void> {
    await until(() => lines.some((line) => line.includes(text)), { timeoutMs: 15_000, what: `the log says ${text}` });
  }

  async function publish(n: number): Promise<number> {
    const response = await fetch(`${node.http}${REST_BASE}/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${good(n)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ event_type: 'zone_updated', data: { text: PLANTED.payload }, target_user_ids: [user(n)] }),
    });
    await response.arrayBuffer();
    return response.status;
  }

  /** A connect and a publish: what of them fails is what is wanted. */
  async function use(n: number): Promise<void> {
    const client = new TestClient(node.ws, { token: good(n) });
    await Promise.all([
      publish(n),
      client.ended.catch(String),
      client
        .established()
        .catch(String)
        .then(() => client.close()),
    ]);
  }

  async function badInput(): Promise<void> {
    const forged = token(user(1), { secret: 'another-secret-of-nobody-0123456789abcdef' });
    for (const bad of [forged, `${good(1)}x`, PLANTED.query]) {
      await fetch(`${node.http}${REST_BASE}/stats`, { headers: { authorization: `Bearer ${bad}` } });
      await new TestClient(node.ws, { token: bad }).ended;
      await new TestClient(node.ws, { query: { token: bad } }).ended;
    }
    await fetch(`${node.http}${REST_BASE}/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${good(1)}`, 'content-type': 'application/json' },
      body: `{"data": ${PLANTED.payload}`,
    });
  }

  const faults: Record<string, { readonly where: string; readonly run: () => Promise<void> }> = {
    'keys of another type': {
      where: 'WRONGTYPE',
      run: async () => {
        await admin.set(`uws:{u:${user(2)}}:conn`, PLANTED.payload);
        await admin.set(`uws:{u:${user(3)}}:boxmeta`, PLANTED.payload);
        await Promise.all([use(2), use(3)]);
        await said('WRONGTYPE');
        await admin.del(`uws:{u:${user(2)}}:conn`, `uws:{u:${user(3)}}:boxmeta`);
      },
    },
    'a job whose data is no JSON': {
      where: 'console: ',
      run: async () => {
        const [queue] = (await admin.keys('*events-0:meta')).map((key) => key.replace(/:meta$/, ''));
        await admin.hset(`${queue}:99999`, 'name', 'x', 'data', `{"${PLANTED.payload}`, 'opts', '{}', 'timestamp', '1');
        await admin.lpush(`${queue}:wait`, '99999');
        await publish(1);
      },
    },
    'commands taken away': {
      where: 'NOPERM',
      run: async () => {
        await admin.call('ACL', 'SETUSER', 'app', '-@scripting');
        await use(4);
        await said('NOPERM');
        await admin.call('ACL', 'SETUSER', 'app', '+@all');
      },
    },
    'a Redis that is full': {
      where: 'OOM',
      run: async () => {
        await admin.config('SET', 'maxmemory', '1');
        await use(5);
        await said('OOM');
        await admin.config('SET', 'maxmemory', '0');
      },
    },
    'a Redis that takes no writes': {
      where: 'READONLY',
      run: async () => {
        await admin.call('REPLICAOF', '127.0.0.1', '1');
        await use(6);
        await said('READONLY');
        await admin.call('REPLICAOF', 'NO', 'ONE');
      },
    },
    'a Redis that stands still': {
      where: 'timed out',
      run: async () => {
        redis.pause();
        await use(7);
        await said('timed out');
        redis.resume();
      },
    },
    'another password': {
      where: 'WRONGPASS',
      run: async () => {
        await admin.call('ACL', 'SETUSER', 'app', 'resetpass', '>another');
        await admin.call('CLIENT', 'KILL', 'USER', 'app');
        await use(8);
        await said('WRONGPASS');
        await admin.call('ACL', 'SETUSER', 'app', 'resetpass', `>${PLANTED.password}`);
      },
    },
    'a Redis that dies': {
      where: 'ECONNREFUSED',
      run: async () => {
        await redis.kill9();
        await use(9);
        await said('ECONNREFUSED');
        await redis.restart();
      },
    },
  };

  for (const [name, { where, run }] of Object.entries(faults)) {
    it(`must hold nothing of what was planted: ${name}`, async () => {
      await until(async () => (await node.readiness()) === 200, {
        timeoutMs: 20_000,
        what: () => `the node is ready; ${lines.slice(-5).join('\n')}`,
      });
      const from = lines.length;
      await badInput();
      await run();
      if (where !== 'console: ') await said(where);
      expectClean(lines.slice(from));
    });
  }

  it('must hold nothing of it when the node ends, and when it does not start', async () => {
    await node.stop();
    const starts = [
      { args: ['--check'], env: { REDIS_URL: `redis://app:${PLANTED.query}@127.0.0.1:${redis.port}` } },
      { args: ['--check'], env: {} },
      { args: [], env: { REDIS_URL: `${env.REDIS_URL}/nonsense`, PORT: '-1' } },
      { args: [], env: { JWT_PUBLIC_KEY: PLANTED.payload } },
    ];
    const output: string[] = [];
    for (const start of starts) {
      const child = spawn(process.execPath, [CURRENT_MAIN, ...start.args], {
        env: { ...process.env, ...env, ...start.env },
      });
      child.stdout.on('data', (chunk: Buffer) => output.push(String(chunk)));
      child.stderr.on('data', (chunk: Buffer) => output.push(String(chunk)));
      await once(child, 'close');
    }
    expect(output.join('')).to.include('WRONGPASS');
    // A setting that is no secret is quoted: that is how a mistake in it is found.
    expectClean([...lines, ...node.log.complaints, ...output.filter((text) => !text.includes('JWT_PUBLIC_KEY'))]);
  });

  // As Node.js prints it, a crash shows every property of the error; a library that uses the console does so too.
  for (const how of [
    'throw error',
    'Promise.reject(error)',
    "Promise.reject('it broke: redis://x:' + error.command.args[0] + '@host')",
    'console.error(error); process.exit(0)',
  ]) {
    it(`must hold nothing of it when something goes wrong that nobody catches: ${how}`, async () => {
      const file = path.join(redis.dir, 'breaks.mjs');
      const args = JSON.stringify([PLANTED.password, PLANTED.payload, USER]);
      const error = `Object.assign(new Error('it broke'), { command: { name: 'set', args: ${args} } })`;
      writeFileSync(file, `process.once('SIGUSR2', () => { const error = ${error}; ${how}; });\n`);
      const options = { env: { ...process.env, ...env, HOST: '127.0.0.1', PORT: '0' } };
      const child = spawn(process.execPath, ['--import', file, CURRENT_MAIN], options);
      const output: string[] = [];
      child.stdout.on('data', (chunk: Buffer) => {
        output.push(String(chunk));
        if (String(chunk).includes('listening')) child.kill('SIGUSR2');
      });
      // Where it broke is a line of this file, as Node.js shows it before the error.
      child.stderr.on('data', (chunk: Buffer) => output.push(String(chunk)));
      await once(child, 'close');
      expect(output.join('')).to.match(/it broke/);
      expectClean(output.join('').split('\n'));
    });
  }

  function expectClean(all: readonly string[]): void {
    const secrets = [...Object.values(PLANTED), encodeURIComponent(PLANTED.password)];
    const leaks = all.filter((line) => TOKEN.test(line) || secrets.some((secret) => line.includes(secret)));
    const named = all.filter((line) => line.includes(USER) && !namesUsers(line));
    expect([...leaks, ...named]).to.deep.equal([]);
  }
});
