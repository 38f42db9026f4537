import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { legacyUsersSchema } from '@unified-ws/protocol';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { legacyExtension } from '@unified-ws/server/legacy/legacyExtension';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import type { LegacyClient } from '../../support/legacyClient.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { call, expectProblem } from '../../unit/server/http/support.js';
import { parseMetrics } from '../../unit/server/observability/health/support.js';
import { LegacyClients, publish } from '../support/legacy.js';
import { type LocalNode, World } from '../support/world.js';

// Seen red: without `apart` in Sockets.pendingAuth (MAX_CONNECTIONS), without the shape of the member in Readers (slowly), without
// `reevaluateAll` (reload), and where a test says so.
describe('the life of a legacy connection', function () {
  this.timeout(20_000);
  const world = new World();
  const clients = new LegacyClients();
  let one: LocalNode;
  let two: LocalNode;
  const dir = mkdtempSync(join(tmpdir(), 'legacy-'));
  const catalogue = join(dir, 'catalogue.json');
  const { raw } = loadCatalogue();

  before(async () => {
    writeFileSync(catalogue, JSON.stringify(raw));
    await world.start();
    const env = { LEGACY_ENDPOINTS: 'true', EVENT_CATALOGUE: catalogue };
    [one, two] = await Promise.all([
      world.node({ ...env, NODE_ID: 'one', MESSAGE_RATE: '20', MESSAGE_BURST: '20' }),
      world.node({ ...env, NODE_ID: 'two' }),
    ]);
  });
  afterEach(async () => {
    clients.end();
    await world.endClients();
  });
  after(async () => {
    await world.stop();
    rmSync(dir, { recursive: true });
  });

  // Seen red: with Connection.ownBeat in the place of LegacyConnection's.
  it('one that is silent must get the old ping, and never a heartbeat', async () => {
    const node = await world.node(
      { NODE_ID: 'idle', LEGACY_ENDPOINTS: 'true', HEARTBEAT_INTERVAL_MS: '1000' },
      { extensions: [legacyExtension({ idleMs: 600 })] },
    );
    const silent = await clients.connect(node, 'health', world.user());
    const startedAt = performance.now();
    const ping = await silent.waitFor('ping');
    expect(performance.now() - startedAt).to.be.greaterThan(400);
    expect(JSON.parse(ping.text)).to.have.all.keys('type', 'timestamp');
    await until(() => silent.types.filter((type) => type === 'ping').length === 3, { what: 'three pings' });
    expect(new Set(silent.types)).to.deep.equal(new Set(['connection_established', 'deprecation', 'ping']));
  });

  it('limits on what clients send must hold as for all', async () => {
    const chatty = await clients.connect(one, 'health', world.user());
    for (let n = 0; n < 60; n += 1) chatty.send('ping');
    expect(await chatty.closed()).to.include({ code: 1013 });
    expect(chatty.frames.find(({ type }) => type === 'error')?.data).to.include({ error_code: 'RATE_LIMITED' });
    const large = await clients.connect(one, 'health', world.user());
    large.send(JSON.stringify({ type: 'ping', data: 'x'.repeat(70_000) }));
    expect(await large.closed()).to.include({ code: 1009 });
    const binary = await clients.connect(one, 'health', world.user());
    binary.ws.send(Buffer.from('ping'));
    expect(await binary.closed()).to.include({ code: 1003 });
  });

  it('it must count against MAX_CONNECTIONS, and its end must make room', async () => {
    const node = await world.node({ NODE_ID: 'small', LEGACY_ENDPOINTS: 'true', MAX_CONNECTIONS: '2' });
    const user = world.user();
    const first = await clients.connect(node, 'health', user);
    await clients.connect(node, 'security', user);
    const third = clients.dial(node, 'system', { token: token(user) });
    expect(await third.closed()).to.include({ status: 503 });
    first.terminate();
    await until(async () => (await connectionsOf(node)).total === 1, { what: 'the connection is gone' });
    await clients.connect(node, 'system', user);
    expect(await connectionsOf(node)).to.deep.include({ total: 2, pending_auth: 0 });
  });

  async function connectionsOf(node: LocalNode): Promise<{ total: number; pending_auth: number }> {
    const { body } = await call(node, 'stats', { token: adminToken() });
    const { node_id } = body;
    return body.nodes.find((one_: { node_id: string }) => one_.node_id === node_id).connections;
  }

  it('one that reads slowly must get what it missed in the old shape and order, without messages that it does not know', async () => {
    const client = await clients.connect(two, 'health', world.user());
    await client.waitFor('deprecation');
    const many = 260;
    client.ws.pause();
    const text = 'x'.repeat(60_000);
    for (let n = 0; n < many; n += 20) {
      const batch = Array.from({ length: 20 }, (_, k) => ({ event_type: 'system_status', data: { n: n + k, text } }));
      const { status } = await call(two, 'events', { json: batch.slice(0, 10), token: adminToken() });
      expect(status).to.equal(202);
      expect((await call(two, 'events', { json: batch.slice(10), token: adminToken() })).status).to.equal(202);
    }
    await until(async () => ((await statsOf(two)).delivery.congested ?? 0) > 0, { what: 'it is congested' });
    client.ws.resume();
    await client.waitFor('system_status', ({ data }) => data?.n === many - 1);
    const reported = client.frames.filter(({ type }) => type === 'system_status');
    expect(reported.map(({ data }) => data?.n)).to.deep.equal(Array.from({ length: many }, (_, n) => n));
    expect(reported.every((frame) => Object.keys(JSON.parse(frame.text)).length === 3)).to.equal(true);
    expect(new Set(client.types)).to.deep.equal(new Set(['connection_established', 'deprecation', 'system_status']));
  });

  async function statsOf(node: LocalNode): Promise<Record<'delivery' | 'legacy', Record<string, number>>> {
    const { body } = await call(node, 'stats', { token: adminToken() });
    return body.nodes.find(({ node_id }: { node_id: string }) => node_id === body.node_id);
  }

  // Seen red: without the looks at the shape in Fanout.reportPositions and announceToCohorts.
  it('cursors and gaps must be told to whoever knows positions, and not to an old client', async () => {
    const node = await world.node({ NODE_ID: 'short', LEGACY_ENDPOINTS: 'true', HISTORY_SIZE: '40' });
    const client = await clients.connect(node, 'health', world.user());
    const unified = await world.connect(node);
    await unified.request('unsubscribe_events', { event_types: ['zone_created'] });
    const others = Array.from({ length: 30 }, () => ({ event_type: 'zone_created', data: {} }));
    expect((await call(node, 'events', { json: others, token: adminToken() })).status).to.equal(202);
    await unified.waitFor('heartbeat');
    await world.redis.client().del('uws:{log}:s', 'uws:{log}:meta');
    await publish(node, { event_type: 'health_update', data: {} });
    await unified.waitFor('gap');
    await publish(node, { event_type: 'health_alert', data: {} });
    await client.waitFor('health_alert');
    const known = ['connection_established', 'deprecation', 'health_update', 'health_alert'];
    expect(client.types.filter((type) => !known.includes(type))).to.deep.equal([]);
  });

  it('a reload of the catalogue must change what it receives', async () => {
    const client = await clients.connect(two, 'health', world.user());
    await client.waitFor('deprecation');
    const { health_update, ...others } = raw.event_types;
    const hidden = { ...health_update, permission: 'events:admin' };
    writeFileSync(catalogue, JSON.stringify({ ...raw, event_types: { health_update: hidden, ...others } }));
    const { body } = await call(two, 'catalogue/reload', { method: 'POST', token: adminToken() });
    writeFileSync(catalogue, JSON.stringify(raw));
    expect(body.result).to.equal('applied');
    const reported = await client.waitFor('subscription_updated');
    expect(reported.data?.subscribed_events).to.not.include('health_update');
    await call(two, 'catalogue/reload', { method: 'POST', token: adminToken() });
    await client.waitFor('subscription_updated', ({ data }) =>
      (data?.subscribed_events as string[]).includes('health_update'),
    );
  });

  it('a drain by order must send it away with a code on which it comes back', async () => {
    const node = await world.node({ NODE_ID: 'leaving', LEGACY_ENDPOINTS: 'true' });
    const client = await clients.connect(node, 'health', world.user());
    // It is asked by way of a node that has to hear of it first.
    const drain = () => call(one, 'nodes/leaving/drain', { json: {}, token: adminToken() });
    await until(async () => (await drain()).status !== 404, { what: 'the node is known' });
    expect((await client.closed()).code).to.equal(1012);
    expect(client.types).to.not.include('server_draining');
  });

  it('admins must see who still uses what, on all nodes, page by page', async () => {
    const [a, b, c] = [world.user('m'), world.user('m'), world.user('m')].sort();
    await Promise.all([
      clients.connect(one, 'health', String(a)),
      clients.connect(two, 'security', String(a)),
      clients.connect(two, 'health', String(b)),
      clients.connect(one, 'admin', String(c), ['admin']),
    ]);
    const isList = new Ajv({ strict: false }).compile(legacyUsersSchema);
    const first = await call(one, 'legacy/connections?limit=2', { token: adminToken() });
    expect(isList(first.body), JSON.stringify(isList.errors)).to.equal(true);
    expect(first.body).to.deep.include({ total_connections: 4, missing_nodes: [] });
    expect(first.body.connections_by_group).to.include({ health: 2, security: 1, admin: 1, system: 0 });
    expect(first.body.users.map((user: { user_id: string }) => user.user_id)).to.deep.equal([a, b]);
    const groups = first.body.users[0].connections.map((one_: { group: string; node_id: string }) => one_.group);
    expect(groups.sort()).to.deep.equal(['health', 'security']);
    const cursor = first.body.next_cursor;
    const rest = await call(two, `legacy/connections?limit=2&cursor=${cursor}`, { token: adminToken() });
    expect(rest.body.users.map((user: { user_id: string }) => user.user_id)).to.deep.equal([c]);
    expect(rest.body.next_cursor).to.equal(null);
    expectProblem(await call(one, 'legacy/connections', { token: token('u') }), 403, 'PERMISSION_DENIED');
    for (const query of ['limit=0', 'cursor=!', 'cursor=a', 'group=health']) {
      const answer = await call(one, `legacy/connections?${query}`, { token: adminToken() });
      expectProblem(answer, 400, 'VALIDATION_ERROR');
    }
  });

  it('metrics must tell what is still used, whatever clients send, in bounded labels', async () => {
    const client: LegacyClient = await clients.connect(one, 'health', world.user());
    client.send('ping');
    await client.ask({ type: `junk-${'x'.repeat(20)}` }, 'error');
    const families = parseMetrics(await (await fetch(`${one.http}/metrics`)).text());
    const value = (name: string, labels: object): number | undefined =>
      families.get(name)?.series.find((series) => JSON.stringify(series.labels) === JSON.stringify(labels))?.value;
    expect(value('uws_legacy_connections', { group: 'health' })).to.equal(1);
    const established = value('uws_legacy_established_total', { group: 'health' }) ?? 0;
    expect(established).to.be.greaterThan(0);
    await clients.dial(one, 'health', { token: 'bad' }).closed();
    const later = parseMetrics(await (await fetch(`${one.http}/metrics`)).text());
    const upgrades = later.get('uws_legacy_upgrades_total')?.series.find(({ labels }) => labels.group === 'health');
    expect(upgrades?.value).to.be.greaterThan(established);
    expect(value('uws_legacy_messages_total', { type: 'raw_ping' })).to.be.greaterThan(0);
    expect(value('uws_legacy_messages_total', { type: 'other' })).to.be.greaterThan(0);
    expect(value('uws_legacy_notices_total', { occasion: 'connect' })).to.be.greaterThan(0);
    expect(value('uws_connections', { status: 'connected' })).to.equal(1);
    expect(value('uws_connections', { status: 'disconnecting' })).to.equal(0);
    const types = families.get('uws_legacy_messages_total')?.series.map(({ labels }) => labels.type);
    expect(types?.every((type) => !type?.startsWith('junk'))).to.equal(true);
  });

  it('a peer that answers no ping of the WebSocket must be ended', async () => {
    const node = await world.node({
      NODE_ID: 'strict',
      LEGACY_ENDPOINTS: 'true',
      PING_INTERVAL_MS: '1000',
      PING_TIMEOUT_MS: '1000',
    });
    const live = await clients.connect(node, 'health', world.user());
    const dead = await clients.connect(node, 'health', world.user());
    dead.ws.pause();
    await until(async () => (await statsOf(node)).legacy.connections === 1, { what: 'it is ended', timeoutMs: 10_000 });
    expect(live.isOpen).to.equal(true);
  });

  it('an event must not be written after the end of its connection, nor to its successor twice', async () => {
    const user = world.user();
    await clients.connect(one, 'health', user);
    const newer = await clients.connect(one, 'health', user);
    await publish(one, { event_type: 'health_update', data: { n: 1 } });
    await newer.waitFor('health_update');
    await newer.settled();
    expect(newer.types.filter((type) => type === 'health_update')).to.have.lengthOf(1);
  });
});
