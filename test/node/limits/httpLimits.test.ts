import { once } from 'node:events';
import { connect } from 'node:net';
import { REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type Answer, call, expectProblem } from '../../unit/server/http/support.js';
import { type LocalNode, World } from '../support/world.js';

const RATE = 10;
const BURST = 5 * RATE;

/** What the node worked on in full, of all routes. */
async function worked(node: LocalNode, route: string): Promise<number> {
  const { text } = await call(node, '/metrics');
  const counts = [...text.matchAll(new RegExp(`^uws_rest_seconds_count\\{[^}]*route="${route}"[^}]*\\} (\\d+)`, 'gm'))];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

async function refusedBy(node: LocalNode, bucket: string): Promise<number> {
  const { text } = await call(node, '/metrics');
  return Number(
    new RegExp(`^uws_http_refused_total\\{[^}]*bucket="${bucket}"[^}]*\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0,
  );
}

describe('plain HTTP', function () {
  this.timeout(20_000);
  const world = new World();
  let node: LocalNode;
  let addresses = 0;

  before(async () => {
    await world.start();
    node = await world.node({ TRUST_PROXY: '1', HTTP_RATE_PER_IP: String(RATE), HTTP_RATE_PER_CALLER: String(RATE) });
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  /** An address that no other test has. */
  const somewhere = (): Record<string, string> => {
    addresses += 1;
    return { 'x-forwarded-for': `198.51.100.${addresses}` };
  };
  const many = async (
    count: number,
    path: string,
    headers: Record<string, string>,
    options = {},
  ): Promise<Answer[]> => {
    const answers: Answer[] = [];
    // As many at a time as an ordinary client of HTTP has connections.
    for (let n = 0; n < count; n += 20) {
      const some = Array.from({ length: Math.min(20, count - n) }, () => call(node, path, { ...options, headers }));
      answers.push(...(await Promise.all(some)));
    }
    return answers;
  };
  const count = (answers: readonly Answer[], status: number): number =>
    answers.filter((answer) => answer.status === status).length;
  /** What the bucket of an address lets through while `work` runs. */
  const allowed = async <T>(work: () => Promise<T>): Promise<{ result: T; most: number }> => {
    const began = performance.now();
    const result = await work();
    return { result, most: BURST + Math.ceil(((performance.now() - began) / 1000) * RATE) };
  };

  // Seen red without HttpLimit.admit: 10 × the burst was worked on in full. 3,000 a second raised the median of users' pings from 1 to 481 ms.
  it('a flood of probes from one address must cost the node no work, and must not turn a probe into a refusal', async () => {
    const before = await worked(node, '/livez');
    const { result, most } = await allowed(() => many(10 * BURST, '/livez', somewhere()));
    expect(count(result, 200), 'a balancer is told the truth all the same').to.equal(10 * BURST);
    expect(result.every(({ body }) => body.status === 'ok' && body.node_id === node.node.id)).to.equal(true);
    // One a second is answered in full beyond the bucket, to renew what the others are told.
    expect((await worked(node, '/livez')) - before).to.be.within(BURST, most + 10);
    expect(await refusedBy(node, 'address')).to.be.at.least(10 * BURST - most - 10);
    const readyz = await many(2 * BURST, '/readyz', somewhere());
    expect(count(readyz, 200)).to.equal(2 * BURST);
    expect(readyz.every(({ body }) => body.ready === true)).to.equal(true);
  });

  it('whoever floods must be told when to come back, in a few bytes', async () => {
    const headers = somewhere();
    const { result, most } = await allowed(() => many(4 * BURST, 'rollout/me', headers));
    expect(count(result, 401)).to.be.within(BURST, most);
    const refused = result.filter(({ status }) => status === 429);
    expect(refused.length).to.be.at.least(4 * BURST - most);
    for (const answer of refused) {
      expectProblem(answer, 429, 'RATE_LIMITED');
      expect(Number(answer.headers.get('retry-after'))).to.be.at.least(1);
      expect(answer.text.length).to.be.below(200);
    }
    expect((await call(node, 'rollout/me', { headers: somewhere() })).status, 'from elsewhere').to.equal(401);
  });

  // Seen red with the entry of X-Forwarded-For taken as it stands.
  it('must not be without limit for whoever comes through a balancer that writes ports', async () => {
    addresses += 1;
    let port = 1024;
    const { result, most } = await allowed(async () => {
      const answers: Answer[] = [];
      for (let n = 0; n < 2 * BURST; n += 1) {
        port += 1;
        answers.push(
          await call(node, 'rollout/me', { headers: { 'x-forwarded-for': `198.51.100.${addresses}:${port}` } }),
        );
      }
      return answers;
    });
    expect(count(result, 401)).to.be.within(BURST, most);
  });

  it('who brings a good token must not be limited for what others send from his address', async () => {
    const headers = somewhere();
    await many(2 * BURST, 'rollout/me', headers);
    await until(async () => (await call(node, 'rollout/me', { headers })).status === 429, {
      what: 'the address is refused',
    });
    const known = token(world.user());
    expect((await call(node, 'rollout/me', { token: known, headers: somewhere() })).status).to.equal(200);
    expect((await call(node, 'rollout/me', { token: known, headers })).status, 'his token is known').to.equal(200);
    const users = somewhere();
    const answers = await Promise.all(
      Array.from({ length: BURST - 1 }, () => call(node, 'rollout/me', { token: token(world.user()), headers: users })),
    );
    expect(count(answers, 200), 'a gateway brings many users').to.equal(BURST - 1);
    expect((await call(node, 'rollout/me', { headers: users })).status, 'and uses up nothing').to.equal(401);
  });

  it('a publisher must send as many events as the queue takes, while his other requests have their limit', async () => {
    const publisher = adminToken();
    const headers = somewhere();
    const event = { event_type: 'health_update', data: { status: 'ok' } };
    const accepted = await many(6 * BURST, 'events', headers, { token: publisher, json: event });
    expect(count(accepted, 202)).to.equal(6 * BURST);
    const { result, most } = await allowed(() => many(3 * BURST, 'stats', headers, { token: publisher }));
    expect(count(result, 200)).to.be.within(1, most);
    expect(count(result, 429)).to.be.at.least(3 * BURST - most);
    expect(await refusedBy(node, 'caller')).to.be.at.least(3 * BURST - most);
    expect(count(await many(20, 'events', headers, { token: publisher, json: event }), 202)).to.equal(20);
    const stranger = token(world.user());
    const denied = await allowed(() => many(3 * BURST, 'events', headers, { token: stranger, json: event }));
    expect(count(denied.result, 403), 'who may not publish has no such right').to.be.within(BURST - 1, denied.most);
  });

  it('a token that was revoked must not go on sparing its address', async () => {
    const user = world.user();
    const headers = somewhere();
    const known = token(user);
    expect((await call(node, 'rollout/me', { token: known, headers })).status).to.equal(200);
    await call(node, `users/${user}/revoke`, { method: 'POST', token: adminToken(), headers: somewhere() });
    const { result, most } = await allowed(() => many(3 * BURST, 'rollout/me', headers, { token: known }));
    // Those that were under way together while it was still known.
    expect(count(result, 401)).to.be.within(BURST, most + 20);
  });

  it("a flooder's connections must be closed, a balancer's kept, which carry the requests of others", async () => {
    const direct = await world.node({ NODE_ID: 'direct', HTTP_RATE_PER_IP: '1', HTTP_RATE_PER_CALLER: '1' });
    const ask = (target: LocalNode, address: string): ReturnType<typeof connect> => {
      const socket = connect(target.port, '127.0.0.1');
      socket.on('error', () => socket.destroy());
      const request = `GET ${REST_BASE}/rollout/me HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ${address}\r\n\r\n`;
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += String(chunk);
        // One after the other, as long as it is not refused.
        if (text.endsWith('}')) {
          if (text.includes(' 429 ')) socket.emit('refused');
          else socket.write(request);
          text = '';
        }
      });
      socket.write(request);
      return socket;
    };
    const flooder = ask(direct, '198.51.100.250');
    await once(flooder, 'close');
    const balancer = ask(node, '198.51.100.251');
    await once(balancer, 'refused');
    balancer.write(`GET /livez HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.252\r\n\r\n`);
    const [chunk] = (await once(balancer, 'data')) as [Buffer];
    expect(String(chunk)).to.match(/^HTTP\/1.1 200 /);
    balancer.destroy();
  });
});

describe('a connection of HTTP that is idle', function () {
  this.timeout(20_000);
  const world = new World();
  before(() => world.start());
  after(() => world.stop());

  /** How long the node leaves it open after an answer, ms. */
  async function idleTime(port: number): Promise<number> {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'data');
    const began = performance.now();
    await once(socket, 'close');
    return performance.now() - began;
  }

  // Seen red without keepAliveTimeout: behind a balancer with a pool 17 of 200 publishes met a connection that was being closed.
  it('must stay open longer than a balancer keeps it, by default and whatever the limits of a request are', async () => {
    const node = await world.node();
    const response = await call(node, '/livez');
    expect(response.headers.get('keep-alive')).to.equal('timeout=75');
    const short = await world.node({ KEEP_ALIVE_TIMEOUT_MS: '2500', AUTH_TIMEOUT_MS: '100' });
    // A request's head must be in after 100 ms: that is no bound on the silence before it.
    expect(await idleTime(short.port)).to.be.within(2400, 15_000);
  });
});
