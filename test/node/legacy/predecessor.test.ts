import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as measureFor } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import { NodeProcess } from '../../support/cluster.js';
import { LegacyClient } from '../../support/legacyClient.js';
import { writesTo } from '../../support/socketWrites.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { logOf, storedEvent } from '../support/events.js';
import { type LocalNode, World } from '../support/world.js';

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));

/** What the predecessor did wrong and no other test is about (docs/COMPARISON.md has them all). */
describe('faults of the predecessor', function () {
  this.timeout(30_000);
  const world = new World();
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node();
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  async function publish(events: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(`${node.http}${REST_BASE}/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken()}`, 'content-type': 'application/json' },
      body: JSON.stringify(events),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  // Seen red with a `fresh` connection that enters at the start of the window, and with a queue that is cut to half when it is long.
  it('news published while nobody is there must stop no producer, be dropped by nobody, and reach no newcomer as live (F9, F30)', async () => {
    const log = logOf(world.redis);
    const { offset: start } = await log.head();
    const count = 1200;
    const critical = { event_type: 'security_alert', data: {}, ordering_key: 'k' };
    const plain = { event_type: 'zone_updated', data: {}, ordering_key: 'k' };
    for (let sent = 0; sent < count; sent += 400) {
      const { status } = await publish(Array.from({ length: 400 }, (_, n) => (n % 2 === 0 ? critical : plain)));
      expect(status).to.equal(202);
    }
    await until(async () => (await log.head()).offset === start + count, {
      timeoutMs: 20_000,
      what: 'all are appended',
    });
    const [user, admin] = await Promise.all([world.connect(node), world.admin(node)]);
    expect(user.establishedData?.resume).to.deep.equal({ broadcast: 'fresh', user: 'fresh' });
    await publish({ event_type: 'zone_created', data: {} });
    await Promise.all([user, admin].map((client) => client.waitFor('zone_created')));
    for (const client of [user, admin]) expect(client.events.map(({ type }) => type)).to.deep.equal(['zone_created']);
  });

  // Seen red with a flush that leaves out those beyond the hundredth, and with one that asks for the next one at once.
  it('an event for more than a hundred users must reach all of them, and leave the node at rest (F10)', async () => {
    const clients = await Promise.all(Array.from({ length: 150 }, () => world.connect(node)));
    for (let n = 0; n < 3; n += 1) await publish({ event_type: 'custom_event', data: { n }, ordering_key: 'k' });
    await Promise.all(clients.map((client) => client.waitFor('custom_event', ({ data }) => data.n === 2)));
    for (const client of clients) expect(client.events.map(({ data }) => data.n)).to.deep.equal([0, 1, 2]);
    // The predecessor's router turned at 100 % from then on.
    const before = performance.eventLoopUtilization();
    await measureFor(1000);
    const { active } = performance.eventLoopUtilization(before);
    expect(active, 'ms that the event loop worked in a second without events').to.be.below(500);
  });

  // Seen red with a copy of the frames for each member, and with fields that are taken out of the event itself.
  it('an event must be written down once for all who may see the same of it, not per user, and stay whole for others (F11, F28)', async () => {
    const users = await Promise.all(
      Array.from({ length: 6 }, async (_, n) => {
        const raw = await world.raw(node, { token: token(world.user(), { roles: [n < 4 ? 'user' : 'admin'] }) });
        await raw.waitFor('connection_established');
        return raw;
      }),
    );
    const data = { title: 'break-in', source_ip: '10.1.2.3' };
    const ports = users.map(({ socket }) => socket.localPort ?? 0);
    const written = await writesTo(ports, async () => {
      await logOf(world.redis).append([storedEvent(data, { type: 'security_alert' })]);
      await Promise.all(users.map((raw) => raw.waitFor('security_alert')));
    });
    const buffers = written.map(([first]) => first);
    expect(new Set(buffers.slice(0, 4)).size, 'buffers for four users').to.equal(1);
    expect(new Set(buffers.slice(4)).size, 'buffers for two admins').to.equal(1);
    const seen = users.map((raw) => raw.messages.find(({ type }) => type === 'security_alert')?.data);
    expect(seen).to.deep.equal([...Array(4).fill({ title: 'break-in' }), data, data]);
  });

  // Seen red with frames that lack the metadata.
  it('an event must come in a replay as it came live, with all its fields (F13)', async () => {
    const witness = await world.connect(node);
    const position = String(witness.establishedData?.positions.broadcast);
    const event = {
      event_type: 'zone_updated',
      data: { a: { b: [1] } },
      metadata: { tags: ['x'] },
      severity: 'warning',
    };
    await publish({ ...event, priority: 'high' });
    const { at: _live, ...live } = await witness.waitFor('zone_updated');
    expect(live).to.deep.include({ metadata: event.metadata, severity: 'warning', priority: 'high', category: 'dns' });
    const late = await world.connect(node, world.user(), ['user'], { resume: `${position}~` });
    const { at: _late, ...replayed } = await late.waitFor('zone_updated');
    expect(replayed).to.deep.equal(live);
  });
});

describe('the memory of a node', function () {
  this.timeout(60_000);
  const world = new World();
  const dir = mkdtempSync(join(tmpdir(), 'uws-heap-'));
  let node: NodeProcess;

  before(async () => {
    await world.start();
    const env = {
      REDIS_URL: world.redis.url,
      LOG_LEVEL: 'info',
      LEGACY_ENDPOINTS: 'true',
      NODE_OPTIONS: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${dir}`,
    };
    node = new NodeProcess({ id: 'n1', env });
    await node.start();
    await node.ready();
  });
  after(async () => {
    await node.kill9();
    await world.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  // A dump of a node's memory would otherwise be a bunch of keys. Seen red: the client id and the position held the URL that they came in, and the token in it.
  it('must hold no token of those who are connected or called, the predecessor kept all (F20)', async () => {
    const tokens = Array.from({ length: 8 }, (_, n) => token(`holder-${n}`, { roles: ['admin'] }));
    const at = (n: number): string => tokens[n] as string;
    const client = (n: number): string => `a-device-with-a-long-name-${n}.1`;
    const resume = 'an-epoch-that-is-long.1.a-tag-that-is-long~another-epoch-that-is-long.1.a-tag-that-is-long';
    const clients = [
      world.dial(node, { token: at(0), client: client(0), resume }),
      world.dial(node, { protocols: ['unified.v1', `bearer.${at(1)}`], client: client(1), resume }),
      // The query last, and before what is kept of it: a part of a text can hold the whole.
      world.dial(node, { query: { token: at(2) }, client: client(2), resume }),
      world.dial(node, {}),
      world.dial(node, { token: token('holder-4') }),
    ];
    const [, , , first, refreshing] = clients;
    if (!first || !refreshing) throw new Error('there are five');
    await until(() => first.isOpen, { what: 'it is open' });
    first.send('authenticate', { token: at(3), client: client(3), resume });
    await Promise.all(clients.map((one) => one.established()));
    await refreshing.ask('refresh_token', { token: at(4) }, 'token_refreshed');
    const legacy = new LegacyClient(node.ws, 'security', { token: at(7) });
    await legacy.waitFor('connection_established');
    const forged = at(5).slice(0, -2);
    await world.dial(node, { token: forged }).closed();
    const response = await fetch(`${node.http}${REST_BASE}/nodes`, { headers: { authorization: `Bearer ${at(6)}` } });
    expect(response.status).to.equal(200);
    await response.arrayBuffer();

    process.kill(node.pid, 'SIGUSR2');
    const dump = await until(
      () => {
        const file = readdirSync(dir).find((name) => name.endsWith('.heapsnapshot'));
        const text = file === undefined ? '' : readFileSync(join(dir, file), 'utf8');
        return text.trimEnd().endsWith('}') ? text : null;
      },
      { timeoutMs: 40_000, everyMs: 200, what: 'the dump is written' },
    );
    expect(dump, 'what is to be found is').to.include('a-device-with-a-long-name-2');
    const found = tokens.map((one, n) => (dump.includes(one.slice(-40, -4)) ? n : -1)).filter((n) => n >= 0);
    expect(found, 'of the tokens are in the dump').to.deep.equal([]);
    for (const one of clients) expect(one.isOpen).to.equal(true);
    legacy.ws.terminate();
  });
});

describe('docs/COMPARISON.md', () => {
  const page = readFileSync(join(ROOT, 'docs', 'COMPARISON.md'), 'utf8');

  it('must account for each of the 32 faults once', () => {
    const faults = [...page.matchAll(/^\| (F\d+) \|/gm)].map(([, fault]) => fault);
    expect(faults).to.deep.equal(Array.from({ length: 32 }, (_, n) => `F${n + 1}`));
  });

  it('must name no test that is not there', () => {
    const named = [
      ...page.matchAll(/`((?:unit|node|cluster|wire|chaos|model)\/[\w./]+)`(?: \(\w+\))?(?:((?:,? ?"[^"]+")+))?/g),
    ];
    expect(named.length).to.be.above(80);
    for (const [, name, titles = ''] of named) {
      const file = `test/${name}.test.ts`;
      const source = readFileSync(join(ROOT, file), 'utf8');
      for (const [, title = ''] of titles.matchAll(/"([^"]+)"/g))
        expect(source, file).to.include(title.replace('…', ''));
    }
  });
});
