import { once } from 'node:events';
import { WS_PATH } from '@unified-ws/protocol';
import { expect } from 'chai';
import { NodeProcess } from '../../support/cluster.js';
import { RawClient, upgradeRequest } from '../../support/rawClient.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { World } from '../support/world.js';

interface Refusal {
  readonly status: number;
  readonly retryAfterS: number | null;
  readonly contentType: string;
  readonly problem: Record<string, unknown>;
}

/** The whole answer to an upgrade request that is refused. */
async function refused(node: { readonly port: number }, request: string): Promise<Refusal> {
  const client = new RawClient(node.port);
  await once(client.socket, 'connect');
  const chunks: Buffer[] = [];
  client.socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  client.socket.write(request);
  await client.gone();
  const [head = '', body = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n');
  const header = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim();
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0),
    retryAfterS: header('retry-after') === undefined ? null : Number(header('retry-after')),
    contentType: header('content-type') ?? '',
    problem: JSON.parse(body || '{}') as Record<string, unknown>,
  };
}

function expectProblem(refusal: Refusal, status: number, code: string): void {
  expect(refusal, JSON.stringify(refusal)).to.include({ status, contentType: 'application/problem+json' });
  expect(refusal.problem).to.include({ status, code, type: 'about:blank' });
  expect(refusal.problem.title).to.be.a('string');
}

describe('admission, before any crypto', function () {
  this.timeout(10_000);
  const world = new World();

  before(() => world.start());
  afterEach(async () => {
    await world.endClients();
    await world.endNodes();
  });
  after(() => world.stop());

  it('an upgrade elsewhere must not become a connection of this protocol', async () => {
    const node = await world.node();
    for (const path of ['/', '/api/unified/wsx', '/api/unified/ws/other', '/api/unified/WS', '//api/unified/ws']) {
      const request = upgradeRequest({ token: token('u') }).replace(WS_PATH, path);
      expectProblem(await refused(node, request), 404, 'NOT_FOUND');
    }
    const slash = new RawClient(node.port);
    await once(slash.socket, 'connect');
    slash.socket.write(upgradeRequest({ token: token('u') }).replace(WS_PATH, `${WS_PATH}/`));
    await slash.waitFor('connection_established');
    slash.destroy();
  });

  it('a page of a strange origin must not connect with the credentials of the user who opened it', async () => {
    const node = await world.node({ ALLOWED_ORIGINS: 'https://app.test,http://localhost:3000' });
    for (const origin of ['https://evil.test', 'http://app.test', 'https://app.test.evil.test', 'null', '']) {
      const request = upgradeRequest({ token: token('u'), headers: { Origin: origin } });
      expectProblem(await refused(node, request), 403, 'PERMISSION_DENIED');
    }
    await world.connect(node, world.user(), ['user'], { headers: { origin: 'https://app.test' } });
    await world.connect(node, world.user(), ['user'], { headers: { origin: 'http://localhost:3000' } });
    await world.connect(node);
  });

  it('a flood of connects from one address must not keep others out, and must be told when to come back', async () => {
    const node = await world.node({ CONNECT_RATE_PER_IP: '1', CONNECT_BURST_PER_IP: '3', TRUST_PROXY: '1' });
    const from = (address: string): string =>
      upgradeRequest({ token: token(world.user()), headers: { 'X-Forwarded-For': `9.9.9.9, ${address}` } });
    const flood = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const client = new RawClient(node.port);
        await once(client.socket, 'connect');
        client.socket.write(from('10.0.0.1'));
        await until(() => client.status, { what: 'an answer' });
        return client;
      }),
    );
    const statuses = flood.map((client) => client.status).sort();
    expect(statuses).to.deep.equal([101, 101, 101, 429, 429, 429]);
    const refusal = await refused(node, from('10.0.0.1'));
    expectProblem(refusal, 429, 'RATE_LIMITED');
    expect(refusal.retryAfterS).to.equal(1);
    const other = await RawClient.open(node.port, {
      token: token(world.user()),
      headers: { 'X-Forwarded-For': '10.0.0.2' },
    });
    for (const client of [...flood, other]) client.destroy();
  });

  // Seen red with each address counted for itself.
  it('who has a network of IPv6 must not connect without limit, an address at a time', async () => {
    const node = await world.node({ CONNECT_RATE_PER_IP: '1', CONNECT_BURST_PER_IP: '2', TRUST_PROXY: '1' });
    const from = async (address: string): Promise<number | null> => {
      const client = new RawClient(node.port);
      await once(client.socket, 'connect');
      client.socket.write(upgradeRequest({ token: token(world.user()), headers: { 'X-Forwarded-For': address } }));
      const status = await until(() => client.status, { what: 'an answer' });
      client.destroy();
      return status;
    };
    const network = await Promise.all([1, 2, 3, 4].map((n) => from(`2001:db8:0:1::${n}`)));
    expect(network.sort()).to.deep.equal([101, 101, 429, 429]);
    expect(await from('2001:db8:0:2::1'), 'the next network').to.equal(101);
    const mapped = await Promise.all([1, 2, 3].map((n) => from(`::ffff:192.0.2.${n}`)));
    expect(mapped, 'IPv4 as a socket of both kinds shows it').to.deep.equal([101, 101, 101]);
  });

  it('an address in X-Forwarded-For must not be believed from anybody: one header would lift the limit', async () => {
    const node = await world.node({ CONNECT_RATE_PER_IP: '1', CONNECT_BURST_PER_IP: '1' });
    const request = (address: string): string =>
      upgradeRequest({ token: token(world.user()), headers: { 'X-Forwarded-For': address } });
    const first = new RawClient(node.port);
    await once(first.socket, 'connect');
    first.socket.write(request('10.0.0.1'));
    await until(() => first.status === 101, { what: 'the first is taken' });
    expectProblem(await refused(node, request('10.0.0.2')), 429, 'RATE_LIMITED');
    first.destroy();
  });

  it('an operator who forgot the proxy must be told why everybody behind it is refused, once (F21)', async function () {
    this.timeout(60_000);
    const limits = { CONNECT_RATE_PER_IP: '1', CONNECT_BURST_PER_IP: '1' };
    const env = { REDIS_URL: world.redis.url, EVENT_QUEUE_PARTITIONS: '1', ...limits };
    const node = new NodeProcess({ id: 'forgot', env });
    try {
      await node.start();
      await node.ready();
      const said = (): number => node.log.complaints.filter((line) => line.includes('TRUST_PROXY')).length;
      const attempt = async (headers: Record<string, string>): Promise<number | null> => {
        const client = new RawClient(node.port);
        await once(client.socket, 'connect');
        client.socket.write(upgradeRequest({ headers }));
        await until(() => client.status !== null, { what: 'an answer' });
        client.destroy();
        return client.status;
      };
      // Several at once: of those that come one by one each may find a new token on a slow machine.
      const refusals = async (headers: Record<string, string>): Promise<void> => {
        for (;;) {
          const statuses = await Promise.all(Array.from({ length: 5 }, () => attempt(headers)));
          if (statuses.includes(429)) return;
        }
      };
      await refusals({});
      await refusals({});
      expect(said(), 'without a proxy').to.equal(0);
      for (let n = 0; n < 3; n += 1) await refusals({ 'X-Forwarded-For': `192.0.2.${n}` });
      await until(said, { what: 'the warning' });
      await node.stop();
      expect(said()).to.equal(1);
    } finally {
      await node.kill9();
    }
  });

  it('a full node must say so and when to come back, and take connections again when there is room', async () => {
    const node = await world.node({ MAX_CONNECTIONS: '2' });
    const one = await world.connect(node);
    await world.connect(node);
    const refusal = await refused(node, upgradeRequest({ token: token('late') }));
    expectProblem(refusal, 503, 'CONNECTION_LIMIT');
    expect(refusal.retryAfterS).to.equal(5);
    await one.close();
    await world.connect(node);
  });

  // Seen red with `replaces` answering false: the user was told to come back later, to a place that he held himself.
  it('a full node must not refuse the user whose own connection takes the place (F29), nor let anybody else in', async () => {
    const node = await world.node({ MAX_CONNECTIONS: '2' });
    const user = world.user();
    const [first] = await Promise.all([world.connect(node, user), world.connect(node)]);
    await world.connect(node, user);
    expect(await first.closed()).to.include({ code: 4001 });
    const forged = token(user, { secret: 'another-secret-of-32-characters-or-more' });
    for (const other of [forged, token('stranger'), 'junk', undefined]) {
      const request = upgradeRequest(other === undefined ? {} : { token: other });
      expectProblem(await refused(node, request), 503, 'CONNECTION_LIMIT');
    }
  });

  it('connections that never authenticate must not take the place of those that do', async () => {
    const node = await world.node({ MAX_PENDING_AUTH: '3', AUTH_TIMEOUT_MS: '400' });
    const idle = Array.from({ length: 3 }, () => world.dial(node));
    await Promise.all(idle.map((client) => once(client.ws, 'open')));
    const refusal = await refused(node, upgradeRequest());
    expectProblem(refusal, 503, 'CONNECTION_LIMIT');
    expect(refusal.retryAfterS).to.equal(1);
    // Seen red with one bound for both: a few sockets that say nothing kept everybody out.
    const behind = await world.connect(node);
    await behind.close();
    await Promise.all(idle.map((client) => client.closed()));
    for (let n = 0; n < 4; n += 1) await world.connect(node);
    const again = Array.from({ length: 3 }, () => world.dial(node));
    await Promise.all(again.map((client) => once(client.ws, 'open')));
    expectProblem(await refused(node, upgradeRequest()), 503, 'CONNECTION_LIMIT');
  });

  it('a request that is no proper WebSocket handshake must not take the node or a place with it', async () => {
    const node = await world.node({ MAX_CONNECTIONS: '1' });
    const good = upgradeRequest({ token: token('u') });
    const bad = [
      good.replace('Sec-WebSocket-Version: 13', 'Sec-WebSocket-Version: 7'),
      good.replace(/Sec-WebSocket-Key: .*\r\n/, ''),
      good.replace(/Sec-WebSocket-Key: .*\r\n/, 'Sec-WebSocket-Key: short\r\n'),
      good.replace('GET', 'POST'),
      good.replace('Upgrade: websocket', 'Upgrade: h2c'),
      good.replace('\r\n\r\n', '\r\nSec-WebSocket-Protocol: a,,b\r\n\r\n'),
    ];
    for (const request of bad) {
      const client = new RawClient(node.port);
      await once(client.socket, 'connect');
      client.socket.write(request);
      await until(() => client.status, { what: `an answer to ${request}` });
      expect(client.status, request).to.be.within(400, 426);
      client.destroy();
    }
    await world.connect(node);
  });
});
