import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Catalogue } from '@unified-ws/protocol';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { RedisProxy } from '../../support/redisProxy.js';
import { adminToken, token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type Answer, call, expectProblem } from '../../unit/server/http/support.js';
import { logOf, storedEvent } from '../support/events.js';
import { publish, SdkClients } from '../support/sdkClients.js';
import { type LocalNode, World } from '../support/world.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] extends object ? Writable<T[K]> : T[K] };
type Draft = Writable<Catalogue>;

describe('the event catalogue', function () {
  this.timeout(15_000);
  const world = new World();
  const sdkClients = new SdkClients();
  const dir = mkdtempSync(join(tmpdir(), 'uws-catalogue-'));
  const fileOf = (node: string): string => join(dir, `${node}.json`);
  let one: LocalNode;
  let two: LocalNode;

  /** Each node reads its own file, as on machines of their own. */
  function write(change: (draft: Draft) => void = () => undefined, nodes: readonly string[] = ['one', 'two']): void {
    const draft = structuredClone(loadCatalogue().raw) as Draft;
    change(draft);
    for (const node of nodes) writeFileSync(fileOf(node), JSON.stringify(draft, null, 1));
  }

  before(async () => {
    await world.start();
    write();
    [one, two] = (await Promise.all(
      ['one', 'two'].map((id) => world.node({ NODE_ID: id, EVENT_CATALOGUE: fileOf(id) })),
    )) as [LocalNode, LocalNode];
  });
  afterEach(async () => {
    sdkClients.close();
    await world.endClients();
    write();
    await reload();
  });
  after(async () => {
    await world.stop();
    rmSync(dir, { recursive: true });
  });

  const reload = (): Promise<Answer> => call(one, 'catalogue/reload', { method: 'POST', token: adminToken() });
  const info = (client: TestClient) => client.ask('get_subscription_info', {}, 'subscription_info');

  async function received(client: TestClient, types: readonly string[]): Promise<string[]> {
    const events = types.map((type) => storedEvent({}, { type }));
    const mark = storedEvent({}, { type: 'admin_broadcast' });
    await logOf(world.redis).append([...events, mark]);
    await client.waitFor('admin_broadcast', (frame) => frame.id === mark.id);
    const ids = new Set(events.map(({ id }) => id));
    return client.events.filter(({ id = '' }) => ids.has(id)).map(({ type }) => type);
  }

  // Seen red: when only clients whose subscriptions changed are notified.
  it('a client must follow its pattern into the new catalogue, without a new connection', async () => {
    const { client } = sdkClients.make(two, world.user());
    const got: string[] = [];
    client.on('disk_*', ({ type }) => got.push(type));
    await client.ready();
    write((draft) => {
      const { disk_metrics } = draft.event_types;
      if (disk_metrics) draft.event_types.disk_full = { ...disk_metrics };
    });
    expect((await reload()).status).to.equal(200);
    const subscribed = async (): Promise<boolean> =>
      (await client.request('get_subscription_info')).subscriptions.includes('disk_full');
    await until(subscribed, { what: 'the new type is subscribed', everyMs: 50 });
    await publish(two, 'disk_full', {});
    await until(() => got.length > 0, { what: 'the event' });
    expect(got).to.deep.equal(['disk_full']);
    expect(client.report().counts.connections).to.equal(1);
  });

  it('a reload must reach every node, and tell each client what went and what came', async () => {
    const [user, admin, chooser] = await Promise.all([world.connect(two), world.admin(two), world.connect(one)]);
    await chooser.ask('subscribe_category', { categories: ['custom'] }, 'category_subscription_updated');
    await chooser.ask('subscribe_events', { event_types: ['disk_metrics'] }, 'subscription_updated');
    write((draft) => {
      delete draft.event_types.disk_metrics;
      const { zone_created } = draft.event_types;
      if (zone_created) zone_created.permission = 'events:admin';
      draft.event_types.thing_done = {
        category: 'custom',
        priority: 'low',
        severity: 'info',
        permission: 'events:receive',
      };
      draft.roles.admin?.default_subscriptions.push('thing_done');
    });
    const { status, body } = await reload();
    expect(status).to.equal(200);
    expect(body).to.deep.include({ result: 'applied', missing_nodes: [] });
    const nodes = Object.fromEntries(body.nodes.map((node: { node_id: string }) => [node.node_id, node]));
    expect(nodes.one).to.include({ result: 'applied', error: null, event_types: 93, connections: 1 });
    expect(nodes.two).to.include({ result: 'applied', connections: 2, changed_connections: 2 });
    expect(nodes.one.digest).to.equal(nodes.two.digest);

    const toUser = await user.waitFor('subscription_updated');
    expect(toUser.data.reason).to.equal('catalogue_reloaded');
    expect(toUser.data.errors).to.deep.equal([{ event_type: 'zone_created', error: 'permission_denied' }]);
    expect(await received(user, ['zone_created', 'zone_updated'])).to.deep.equal(['zone_updated']);
    const toAdmin = await admin.waitFor('subscription_updated');
    expect(toAdmin.data.subscriptions).to.include.members(['thing_done', 'zone_created']);
    expect(toAdmin.data.errors).to.deep.equal([]);
    const toChooser = await chooser.waitFor('subscription_updated', ({ data }) => data.reason !== undefined);
    // The category brings what it gets later; the type that is gone is told.
    expect(toChooser.data.subscriptions).to.include('thing_done').and.not.include('disk_metrics');
    expect(toChooser.data.errors).to.deep.include({ event_type: 'disk_metrics', error: 'unknown_event_type' });
    expect(await received(chooser, ['disk_metrics', 'thing_done'])).to.deep.equal(['thing_done']);
    expect((await call(two, 'info')).body.supported_event_types).to.include('thing_done');

    write();
    await reload();
    // What was chosen comes back with the type.
    expect((await info(chooser)).subscriptions)
      .to.include('disk_metrics')
      .and.not.include('thing_done');
    expect((await info(user)).subscriptions).to.include('zone_created');
  });

  it('a reload under load must drop no connection and no event of a type that it does not touch', async () => {
    const clients = await Promise.all(Array.from({ length: 30 }, (_, n) => world.connect(n % 2 ? one : two)));
    const log = logOf(world.redis, 'heard', 100_000);
    let running = true;
    let count = 0;
    const appended = (async () => {
      for (; running; count += 1) await log.append([storedEvent({ n: count }, { type: 'zone_updated' })]);
    })();
    for (let round = 0; round < 6; round += 1) {
      write((draft) => {
        if (round % 2 === 0) delete draft.event_types.system_status;
        for (const role of Object.values(draft.roles)) {
          role.default_subscriptions = role.default_subscriptions.filter((type) => draft.event_types[type]);
        }
      });
      expect((await reload()).body.result).to.equal('applied');
    }
    running = false;
    await appended;
    for (const client of clients) {
      await client.waitFor('zone_updated', (frame) => frame.data.n === count - 1);
      const numbers = client.events.map((frame) => frame.data.n);
      expect(numbers).to.deep.equal(Array.from({ length: count }, (_, n) => n));
      expect(client.isOpen).to.equal(true);
      expect(client.frames.filter((frame) => frame.type === 'subscription_updated')).to.have.length(6);
    }
  });

  // Seen red with the second step taken whatever the first one said.
  it('one faulty file must be refused with its exact place, and leave every node as it is', async () => {
    const client = await world.connect(two);
    write(
      (draft) => {
        delete draft.event_types.disk_metrics;
      },
      ['one'],
    );
    writeFileSync(fileOf('two'), '{\n  "version": 1,\n  oops\n}');
    const problem = expectProblem(await reload(), 422, 'VALIDATION_ERROR');
    expect(problem.errors).to.have.length(1);
    expect(problem.errors?.[0]?.message).to.match(/^two: event catalogue .*two\.json: line 3, column 3: /);
    const { nodes } = problem.details as { nodes: { node_id: string; result: string }[] };
    expect(nodes.map(({ node_id, result }) => `${node_id} ${result}`)).to.have.members(['one ready', 'two refused']);
    for (const node of [one, two]) {
      expect((await call(node, 'info')).body.supported_event_types).to.include('disk_metrics');
    }
    write((draft) => {
      if (draft.event_types.zone_created)
        draft.event_types.zone_created.schema = { properties: { a: { type: 'text' } } };
    });
    const second = expectProblem(await reload(), 422, 'VALIDATION_ERROR');
    expect(second.errors?.[0]?.message).to.include('at /event_types/zone_created/schema/properties/a/type');
    expect(await received(client, ['zone_created'])).to.deep.equal(['zone_created']);
    const record = await until(
      async () => {
        const [newest] = (await call(one, 'audit?limit=1', { token: adminToken() })).body.records;
        return newest.ended_at !== null && newest;
      },
      { what: 'the record of the reload' },
    );
    expect(record).to.include({ action: 'catalogue_reload', outcome: 'refused', actor: 'admin-1' });
    expect(record.result).to.match(/^refused;.* two: event catalogue/);
  });

  it('a node that does not answer must be named, and must not hold the others up', async () => {
    const proxy = await RedisProxy.start(world.redis.port);
    try {
      await world.node({ NODE_ID: 'cut', REDIS_URL: proxy.url, COMMAND_TIMEOUT_MS: '1000' });
      await call(one, 'stats', { token: adminToken() });
      proxy.partition();
      const { body } = await reload();
      expect(body).to.deep.include({ result: 'applied', missing_nodes: ['cut'] });
      proxy.heal();
    } finally {
      await proxy.stop();
    }
  });

  it('a payload that its schema forbids must be refused at publish, with the path to the fault', async () => {
    write((draft) => {
      if (draft.event_types.zone_created) {
        draft.event_types.zone_created.schema = {
          type: 'object',
          properties: { zone: { type: 'string' }, records: { type: 'array', items: { type: 'object' } } },
          required: ['zone'],
        };
      }
    });
    await reload();
    const publish = (data: object) =>
      call(two, 'broadcast', { json: { event_type: 'zone_created', data }, token: adminToken() });
    expect((await publish({ zone: 'example.org' })).status).to.equal(202);
    const problem = expectProblem(await publish({ zone: 'a', records: [{}, 1] }), 400, 'VALIDATION_ERROR');
    expect(problem.errors).to.deep.equal([{ path: '/data/records/1', message: 'must be object' }]);
    const admin = await world.admin(one);
    const answer = await admin.request('publish_event', { event_type: 'zone_created', data: {} });
    expect(answer.type).to.equal('validation_error');
    expect(answer.data.errors).to.deep.equal([{ path: '/data', message: "must have required property 'zone'" }]);
  });

  it('who may not steer the cluster may not reload', async () => {
    expectProblem(await call(one, 'catalogue/reload', { method: 'POST', token: token('u') }), 403, 'PERMISSION_DENIED');
  });
});
