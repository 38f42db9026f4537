import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { WS_PATH } from '@unified-ws/protocol';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { expect } from 'chai';
import { ContractClient, type HttpAnswer, type OpenApiContract } from '../../support/contract.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type RestContract, startRestContract } from '../support/restContract.js';
import { variants } from '../support/variants.js';
import type { LocalNode, World } from '../support/world.js';

const PATIENCE_MS = 20_000;

/** Each answer is held against the document that the node itself serves. */
describe('REST refuses as openapi.json says', function () {
  this.timeout(30_000);
  let rest: RestContract;
  let world: World;
  let contract: OpenApiContract;
  let api: ContractClient;

  before(async () => {
    rest = await startRestContract();
    ({ world, contract, api } = rest);
  });

  afterEach(() => world.endClients());
  after(() => rest.stop());

  it('an operation that asks for a permission tells who lacks it, and who brings no token', async () => {
    const stranger = api.as(null);
    const powerless = api.as(token('user-1', { roles: [] }));
    for (const { id, permissions, example } of contract.operations) {
      if (permissions === null) continue;
      expect((await stranger.call(id, example)).body.code, id).to.equal('AUTH_ERROR');
      const { body } = await powerless.call(id, example);
      if (permissions.length === 0) continue;
      expect(body.code, id).to.equal('PERMISSION_DENIED');
      expect(permissions, id).to.include(body.details.permission);
    }
  });

  it('a method that the document does not list is 405, and Allow lists those that it does', async () => {
    for (const path of new Set(contract.operations.map((operation) => operation.path))) {
      const operations = contract.operations.filter((operation) => operation.path === path);
      const [one] = operations;
      const { target } = contract.call(one?.id ?? '', one?.example);
      const known = operations
        .map(({ method }) => method)
        .flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : method));
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        if (known.includes(method)) continue;
        const answer = await api.send(target.split('?')[0] ?? '', { method });
        expect(contract.otherMethodFaults(path, answer), `${method} ${path}: ${answer.text}`).to.deep.equal([]);
        expect(answer.headers.get('allow')?.split(', '), path).to.have.members(known);
      }
      if (!known.includes('HEAD')) continue;
      const head = await api.send(target, { method: 'HEAD' });
      expect(head.text, `HEAD ${path}`).to.equal('');
    }
  });

  it('a body that is no JSON, too large or of another type is refused as described', async () => {
    for (const { id, example } of contract.operations.filter(({ statuses }) => statuses.includes(415))) {
      const json = { 'content-type': 'application/json' };
      const broken = await api.callWith(id, example, { body: '{"reason":', headers: json });
      expect([broken.status, broken.body.code], id).to.deep.equal([400, 'MESSAGE_ERROR']);
      const large = await api.callWith(id, example, { body: `"${'x'.repeat(1_100_000)}"`, headers: json });
      expect(large.status, id).to.equal(413);
      const form = await api.callWith(id, example, { body: 'a=b', headers: { 'content-type': 'text/plain' } });
      expect(form.status, id).to.equal(415);
    }
  });

  /** What no schema tells. */
  const SEMANTIC = /is not in the event catalogue/;

  // Seen red with `bodyReader` taken out of the router.
  it('what the document refuses the node refuses, with the place; what it allows the node takes', async function () {
    this.timeout(120_000);
    const counts = { refused: 0, taken: 0 };
    for (const { id, example } of contract.operations.filter((operation) => operation.id !== 'drainNode')) {
      const bodies = variants(example.body, contract.bodyFields(id));
      // An order about permissions is answered in the next second: one after the other would take minutes.
      const answers = await Promise.all(bodies.map((body) => api.call(id, { ...example, body })));
      for (const [index, { status, body, text }] of answers.entries()) {
        const faults = contract.bodyFaults(id, bodies[index]);
        const what = `${id} ${JSON.stringify(bodies[index]).slice(0, 300)}: ${status} ${text.slice(0, 300)} (${faults})`;
        if (faults.length > 0) {
          expect([status, body.code], what).to.deep.equal([400, 'VALIDATION_ERROR']);
          expect(body.errors, what).not.to.deep.equal([]);
          counts.refused += 1;
        } else if (status === 400) expect(text, what).to.match(SEMANTIC);
        else counts.taken += 1;
      }
    }
    expect(counts.refused).to.be.above(300);
    expect(counts.taken).to.be.above(50);
  });

  // Seen red with the look at unknown names taken out of `queryReader`.
  it('a query that the document refuses the node refuses, and clears nothing by it', async () => {
    for (const { id, example } of contract.operations) {
      const { target, init } = contract.call(id, example);
      const [path, search = ''] = target.split('?');
      const describesQuery = contract.operation(id).statuses.includes(400) && (search !== '' || id === 'getQueue');
      if (!describesQuery) continue;
      const query = example.query ?? {};
      const pairs = (more: Readonly<Record<string, string>>): string =>
        `${new URLSearchParams({ ...Object.fromEntries(new URLSearchParams(search)), ...more })}`;
      const wrong: Readonly<Record<string, string>>[] = [{ no_such_parameter: '1' }];
      for (const name of Object.keys(query)) {
        for (const value of ['', '\u0000', 'x'.repeat(300), '-1', '1e9', 'null', '[]']) {
          const typed = typeof query[name] === 'number' && /^-?\d+$/.test(value) ? Number(value) : value;
          const given = Array.isArray(query[name]) ? [typed] : typed;
          if (contract.queryFaults(id, { ...query, [name]: given }).length > 0) wrong.push({ [name]: value });
        }
      }
      expect(wrong.length, id).to.be.above(0);
      for (const more of wrong) {
        const answer = await api.send(`${path}?${pairs(more)}`, init);
        expect(contract.answerFaults(id, answer), id).to.deep.equal([]);
        expect([answer.status, answer.body.code], `${id} ${JSON.stringify(more)}`).to.deep.equal([
          400,
          'VALIDATION_ERROR',
        ]);
      }
    }
  });

  // Seen red with the problems 404 and 409 taken out of the document.
  it('what is not there, or in the wrong state, is told as described', async () => {
    for (const [id, path] of [
      ['getUser', { user_id: 'nobody' }],
      ['getJob', { id: 'events-0.none' }],
      ['deleteJob', { id: 'events-0.none' }],
      ['retryJob', { id: 'events-0.none' }],
      ['drainNode', { node_id: 'no-such-node' }],
    ] as const) {
      expect((await api.call(id, { path })).status, id).to.equal(404);
    }
    await api.call('disconnectUser', { path: { user_id: 'banned' }, body: { ban_seconds: 60 } });
    expect((await api.call('getUser', { path: { user_id: 'banned' } })).body.details.ban.until).to.be.a('string');
    await api.call('liftBan', { path: { user_id: 'banned' } });
    await api.call('pauseQueue');
    await rest.fill('waits', 1, { type: 'zone_updated' });
    const conflict = await api.call('retryJob', { path: { id: 'events-0.waits-0' } });
    expect(conflict.body.code).to.equal('CONFLICT');
    await api.call('clearQueue');
    await api.call('resumeQueue');
    rest.writeCatalogue('{"version":1');
    const faulty = await api.call('reloadCatalogue');
    expect(faulty.status).to.equal(422);
    rest.writeCatalogue(loadCatalogue().raw);
  });

  it('a full queue is told with the time after which to try again', async () => {
    const small = await world.node({ NODE_ID: 'small', EVENT_QUEUE_MAX: '100' });
    const there = new ContractClient(contract, () => small.http, adminToken());
    await there.call('pauseQueue');
    await rest.fill('full', 150, { type: 'zone_updated' });
    const { example } = contract.operation('broadcastEvent');
    await until(async () => (await there.call('broadcastEvent', example)).status === 429, {
      timeoutMs: PATIENCE_MS,
      what: 'it is full',
    });
    expect((await there.call('publishEvents', { body: example.body })).status).to.equal(429);
    await there.call('clearQueue');
    await there.call('resumeQueue');
    await small.node.stop();
  });

  /** The answer to a request for a WebSocket that is refused. */
  async function refusedUpgrade(at: LocalNode, headers: Readonly<Record<string, string>>): Promise<HttpAnswer> {
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    const sent = { ...upgrade, 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers };
    const [response] = (await once(get(`${at.http}${WS_PATH}`, { headers: sent }), 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const reported = new Headers(Object.entries(response.headers).map(([name, value]) => [name, `${value}`]));
    return { status: response.statusCode ?? 0, headers: reported, text: Buffer.concat(chunks).toString() };
  }

  it('a refused upgrade is answered as described, although express never sees it', async () => {
    const strict = await world.node({ NODE_ID: 'strict', ALLOWED_ORIGINS: 'https://a.example', MAX_CONNECTIONS: '1' });
    const limited = await world.node({ NODE_ID: 'limited', CONNECT_RATE_PER_IP: '1', CONNECT_BURST_PER_IP: '1' });
    // Not the user of the examples, whom others have banned.
    await world.connect(strict, 'guest-1');
    await world.connect(limited, 'guest-2');
    const cases = [
      [strict, 400, { 'sec-websocket-key': 'short' }],
      [strict, 403, { origin: 'https://evil.example' }],
      [strict, 426, { 'sec-websocket-version': '7' }],
      [limited, 429, {}],
      [strict, 503, {}],
    ] as const;
    for (const [at, status, headers] of cases) {
      const answer = await refusedUpgrade(at, headers);
      expect(answer.status, answer.text).to.equal(status);
      expect(contract.answerFaults('openWebSocket', answer), answer.text).to.deep.equal([]);
    }
  });

  it('with Redis away each operation that needs it says so, and when to come back', async function () {
    this.timeout(60_000);
    world.redis.pause();
    try {
      await until(async () => (await api.call('getReadyz')).status === 503, {
        timeoutMs: PATIENCE_MS,
        what: 'not ready',
      });
      const asked = contract.operations.filter(({ permissions }) => permissions !== null);
      const answers = await Promise.all(
        asked.map(async ({ id, example }) => ({ id, ...(await api.call(id, example)) })),
      );
      for (const { id, status, body } of answers) expect([status, body.code], id).to.deep.equal([503, 'UNAVAILABLE']);
    } finally {
      world.redis.resume();
    }
    await until(async () => (await api.call('getReadyz')).status === 200, {
      timeoutMs: PATIENCE_MS,
      what: 'ready again',
    });
  });
});
