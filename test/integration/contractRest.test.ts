import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ASYNCAPI_PATH, OPENAPI_PATH, WS_PATH } from '@unified-ws/protocol';
import { loadCatalogue } from '@unified-ws/server/events/catalogue';
import { expect } from 'chai';
import { type EventNode, startEventNode } from '../../packages/server/test/events/support.js';
import { ContractClient, type HttpAnswer, type OpenApiContract, openApiContract } from '../support/contract.js';
import { fillQueues } from '../support/queueFill.js';
import { adminToken, token } from '../support/tokens.js';
import { until } from '../support/wait.js';
import { variants } from './support/variants.js';
import { type LocalNode, World } from './support/world.js';

/** Each answer of each operation is held against the document that the node itself serves. */
describe('REST as openapi.json says', function () {
  this.timeout(30_000);
  const world = new World();
  const dir = mkdtempSync(join(tmpdir(), 'uws-contract-'));
  const catalogue = join(dir, 'catalogue.json');
  let node: LocalNode;
  let contract: OpenApiContract;
  let api: ContractClient;
  let publisher: EventNode;

  before(async () => {
    await world.start();
    writeFileSync(catalogue, JSON.stringify(loadCatalogue().raw));
    node = await world.node({ EVENT_CATALOGUE: catalogue, COMMAND_TIMEOUT_MS: '1000' });
    publisher = await startEventNode(world.redis.url, { workers: false, partitions: 1 });
    const document: unknown = await (await fetch(`${node.http}${OPENAPI_PATH}`)).json();
    contract = openApiContract(document);
    api = new ContractClient(contract, () => node.http, adminToken());
  });

  afterEach(() => world.endClients());

  after(async () => {
    await publisher.stop();
    await world.stop();
    rmSync(dir, { recursive: true });
  });

  /** A job that failed, and its id. */
  async function failedJob(name: string): Promise<string> {
    await fillQueues(publisher.queues, name, 1, () => ({ type: 'neither_this' }));
    const id = `events-0.${name}-0`;
    const state = async (): Promise<string> => (await api.call('getJob', { path: { id } })).body.state;
    await until(async () => (await state()) === 'failed', { what: 'the job fails' });
    return id;
  }

  /** What an operation needs to succeed, where the example of the document is not enough. */
  const scenes: Readonly<Record<string, () => Promise<unknown>>> = {
    getUser: async () => {
      await world.connect(node, 'user-1');
      await api.call('getUser', { path: { user_id: 'user-1' } });
    },
    disconnectUser: async () => {
      const client = await world.connect(node, 'user-9');
      const answer = await api.call('disconnectUser', { path: { user_id: 'user-9' }, body: { reason: 'a test' } });
      expect(answer.body.result).to.equal('closed');
      await client.closed();
    },
    listConnections: async () => {
      await Promise.all([world.connect(node), world.connect(node)]);
      const first = (await api.call('listConnections', { query: { limit: 1 } })).body;
      expect(Object.keys(first.connections)).to.have.length(1);
      await api.call('listConnections', { query: { limit: 1, cursor: first.next_cursor, healthy: true } });
    },
    getErrors: async () => {
      const client = await world.connect(node);
      for (let n = 0; n < 3; n += 1) await client.request('no_such_type');
      const { body } = await api.call('getErrors');
      expect(body.high_error_rate_connections).to.have.length(1);
      expect(body.recent_errors).not.to.deep.equal([]);
    },
    getMailbox: async () => {
      const path = { user_id: 'user-with-mail' };
      await api.call('getMailbox', { path });
      const event = { event_type: 'health_update', data: { status: 'ok' }, metadata: { trace: 't' } };
      await api.call('publishEvents', { body: { ...event, target_user_ids: ['user-with-mail'], roles: ['user'] } });
      await until(async () => (await api.call('getMailbox', { path })).body.waiting === 1, { what: 'mail' });
      const limited = token('admin-2', { roles: [], claims: { permissions: ['admin:connections'] } });
      const [entry] = (await api.as(limited).call('getMailbox', { path })).body.entries;
      expect(entry.event.data).to.equal(null);
    },
    getJob: async () => {
      const id = await failedJob('read');
      const { body } = await api.call('getJob', { path: { id } });
      expect(body.failed_reason).to.be.a('string');
      expect((await api.call('listJobs', { query: { state: 'failed' } })).body.jobs).not.to.deep.equal([]);
    },
    deleteJob: async () => api.call('deleteJob', { path: { id: await failedJob('gone') }, query: { reason: 'junk' } }),
    retryJob: async () => api.call('retryJob', { path: { id: await failedJob('again') } }),
    getQueue: async () => {
      await api.call('pauseQueue');
      await fillQueues(publisher.queues, 'held', 2, () => ({ type: 'zone_updated', events: 2 }));
      const { body } = await api.call('getQueue');
      expect(body).to.include({ queue_size: 2, paused: true });
      await api.call('clearQueue', { query: { states: ['waiting'], event_types: ['zone_updated'] } });
      await api.call('resumeQueue');
    },
    publishEvents: async () => {
      const [event] = contract.operation('publishEvents').example.body as object[];
      const headers = { 'Idempotency-Key': 'k-1' };
      const one = await api.call('publishEvents', { body: event, headers });
      const again = await api.call('publishEvents', { body: event, headers });
      expect([one.body.duplicate, again.body.duplicate]).to.deep.equal([false, true]);
      const many = await api.call('publishEvents', { body: [event, event] });
      expect(many.body.event_ids).to.have.length(2);
      await api.call('publishEvents', { body: { ...event, delivery: 'ephemeral' } });
    },
    getEventStatus: async () => {
      const { event_id } = (await api.call('broadcastEvent', contract.operation('broadcastEvent').example)).body;
      const status = async (): Promise<string> =>
        (await api.call('getEventStatus', { path: { event_id } })).body.status;
      await until(async () => (await status()) === 'appended', { what: 'it is appended' });
    },
    drainNode: async () => {
      const other = await world.node({ NODE_ID: 'to-drain' });
      await until(async () => (await api.call('listNodes')).body.nodes.length === 2, { what: 'it is known' });
      const answer = await api.call('drainNode', { path: { node_id: 'to-drain' } });
      expect(answer.body.result).to.equal('draining');
      const drained = new ContractClient(contract, () => other.http, adminToken());
      expect((await drained.call('getReadyz')).status).to.equal(503);
      await other.node.stop();
    },
    openWebSocket: async () => {
      // 101 is what every client of these suites gets; fetch can only be told to upgrade.
      expect((await api.call('openWebSocket')).status).to.equal(426);
    },
    getOpenApi: async () => {
      const etag = (await api.call('getOpenApi')).headers.get('etag') ?? '';
      expect((await api.call('getOpenApi', { headers: { 'If-None-Match': etag } })).status).to.equal(304);
    },
    getAsyncApi: async () => {
      const etag = (await api.call('getAsyncApi')).headers.get('etag') ?? '';
      expect((await api.call('getAsyncApi', { headers: { 'If-None-Match': etag } })).status).to.equal(304);
    },
  };

  // Seen red with a field more in the answer of `getUser`, another type of a field of /stats, and the status 503 of /readyz left out.
  it('every operation succeeds and answers as described, the new ones by their example', async function () {
    this.timeout(120_000);
    for (const { id, example, statuses } of contract.operations) {
      const scene = scenes[id];
      if (scene) await scene();
      else expect((await api.call(id, example)).status, id).to.equal(Math.min(...statuses));
    }
    const never = contract.operations.filter(({ id, statuses }) => {
      const success = Math.min(...statuses);
      return id !== 'openWebSocket' && !api.seen.get(id)?.has(success);
    });
    expect(never.map(({ id }) => id)).to.deep.equal([]);
  });

  it('an operation that asks for a permission tells who lacks it, and who brings no token', async () => {
    const stranger = api.as(null);
    const powerless = api.as(token('user-1', { roles: [] }));
    for (const { id, permissions, example } of contract.operations) {
      if (permissions === null) continue;
      expect((await stranger.call(id, example)).body.code, id).to.equal('AUTH_ERROR');
      const { body } = await powerless.call(id, example);
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
    await fillQueues(publisher.queues, 'waits', 1, () => ({ type: 'zone_updated' }));
    const conflict = await api.call('retryJob', { path: { id: 'events-0.waits-0' } });
    expect(conflict.body.code).to.equal('CONFLICT');
    await api.call('clearQueue');
    await api.call('resumeQueue');
    writeFileSync(catalogue, '{"version":1');
    const faulty = await api.call('reloadCatalogue');
    expect(faulty.status).to.equal(422);
    writeFileSync(catalogue, JSON.stringify(loadCatalogue().raw));
  });

  it('a full queue is told with the time after which to try again', async () => {
    const small = await world.node({ NODE_ID: 'small', EVENT_QUEUE_MAX: '100' });
    const there = new ContractClient(contract, () => small.http, adminToken());
    await there.call('pauseQueue');
    await fillQueues(publisher.queues, 'full', 150, () => ({ type: 'zone_updated' }));
    const { example } = contract.operation('broadcastEvent');
    await until(async () => (await there.call('broadcastEvent', example)).status === 429, { what: 'it is full' });
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
    const told = new Headers(Object.entries(response.headers).map(([name, value]) => [name, `${value}`]));
    return { status: response.statusCode ?? 0, headers: told, text: Buffer.concat(chunks).toString() };
  }

  it('a refused upgrade is answered as described, although express never sees it', async () => {
    const strict = await world.node({ NODE_ID: 'strict', ALLOWED_ORIGINS: 'https://a.example', MAX_CONNECTIONS: '1' });
    const limited = await world.node({ NODE_ID: 'limited', CONNECT_RATE_PER_IP: '1', CONNECT_BURST_PER_IP: '1' });
    await world.connect(strict);
    await world.connect(limited);
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

  it('asyncapi.json lists the event types that are in force, also after a reload', async () => {
    const types = async (): Promise<string[]> => {
      const { body } = await api.call('getAsyncApi');
      return Object.keys(body.components.messages.event['x-event-types']);
    };
    expect(await types()).not.to.include('brand_new');
    const { raw } = loadCatalogue();
    const definition = raw.event_types.zone_created;
    writeFileSync(catalogue, JSON.stringify({ ...raw, event_types: { ...raw.event_types, brand_new: definition } }));
    await api.call('reloadCatalogue');
    expect(await types()).to.include('brand_new');
    expect((await fetch(`${node.http}${ASYNCAPI_PATH}`)).headers.get('cache-control')).to.equal('no-cache');
  });

  it('calls built from the document alone publish an event, find it in the mailbox and end the connection', async () => {
    const user = world.user('reader');
    const client = await world.connect(node, user);
    await client.ask('subscribe_events', { event_types: ['health_update'] }, 'subscription_updated');
    const published = await api.call('publishEvents', {
      headers: { 'Idempotency-Key': 'from-the-document' },
      body: { event_type: 'health_update', data: { status: 'down' }, target_user_ids: [user] },
    });
    const { event_id } = published.body;
    const event = await client.waitFor('health_update', ({ id }) => id === event_id);
    const mailbox = await api.call('getMailbox', { path: { user_id: user } });
    expect(mailbox.body.entries.map((entry: { position: string }) => entry.position)).to.deep.equal([event.position]);
    expect((await api.call('getEventStatus', { path: { event_id } })).body.status).to.equal('appended');
    const ended = await api.call('disconnectUser', { path: { user_id: user }, body: { reason: 'done' } });
    expect(ended.body).to.include({ result: 'closed', reason: 'done' });
    expect(await client.closed()).to.include({ code: 4002, reason: 'done' });
    const audit = await api.call('listAudit', { query: { action: 'disconnect', target: user } });
    expect(audit.body.records).to.have.length(1);
  });

  it('with Redis away each operation that needs it says so, and when to come back', async function () {
    this.timeout(60_000);
    world.redis.pause();
    try {
      await until(async () => (await api.call('getReadyz')).status === 503, { timeoutMs: 20_000, what: 'not ready' });
      const asked = contract.operations.filter(({ permissions }) => permissions !== null);
      const answers = await Promise.all(
        asked.map(async ({ id, example }) => ({ id, ...(await api.call(id, example)) })),
      );
      for (const { id, status, body } of answers) expect([status, body.code], id).to.deep.equal([503, 'UNAVAILABLE']);
    } finally {
      world.redis.resume();
    }
    await until(async () => (await api.call('getReadyz')).status === 200, { timeoutMs: 20_000, what: 'ready again' });
  });
});
