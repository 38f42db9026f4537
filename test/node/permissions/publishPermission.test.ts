import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCatalogue } from '@unified-ws/server/events/catalogue/eventCatalogue';
import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { type Answer, call, expectProblem } from '../../unit/server/http/support.js';
import { type LocalNode, World } from '../support/world.js';

describe('who may publish which events', function () {
  this.timeout(20_000);
  const world = new World();
  const dir = mkdtempSync(join(tmpdir(), 'uws-publish-'));
  let node: LocalNode;
  let own: LocalNode;
  let subscriber: TestClient;

  before(async () => {
    await world.start();
    // A catalogue from before there were publish permissions, with one that asks for its own in it.
    const old = structuredClone(loadCatalogue().raw) as { event_types: Record<string, Record<string, unknown>> };
    for (const definition of Object.values(old.event_types)) {
      delete definition.publish_permission;
      delete definition.server_fields;
    }
    old.event_types.invoice = { ...old.event_types.custom_event, publish_permission: 'billing:publish' };
    const file = join(dir, 'catalogue.json');
    writeFileSync(file, JSON.stringify(old));
    [node, own] = await Promise.all([world.node(), world.node({ NODE_ID: 'own', EVENT_CATALOGUE: file })]);
    subscriber = await world.admin(node);
  });
  after(async () => {
    await world.stop();
    rmSync(dir, { recursive: true });
  });

  const of = (...permissions: string[]): string =>
    token('pub', { roles: [], claims: { permissions, username: 'Ann' } as object });
  const publish = (event_type: string, by: string, data: object = {}, at = node): Promise<Answer> =>
    call(at, 'events', { json: { event_type, data }, token: by });

  // Seen red with any publisher's events:publish being enough.
  it('an announcement, or what only admins receive, must not come from any publisher: they are believed', async () => {
    const plain = of('events:publish');
    for (const [type, permission] of [
      ['admin_broadcast', 'admin:broadcast'],
      ['user_login', 'events:publish_admin'],
      ['audit_log', 'events:publish_admin'],
    ] as const) {
      const problem = expectProblem(await publish(type, plain), 403, 'PERMISSION_DENIED');
      expect(problem.details).to.deep.equal({ permission, event_type: type });
    }
    const client = await world.connect(node, world.user(), [], { token: plain });
    for (const way of ['publish_event'] as const) {
      const refused = await client.request(way, { event_type: 'admin_broadcast', data: { message: 'x' } });
      expect(refused.data).to.include({ error_code: 'PERMISSION_DENIED' });
    }
    const many = [
      { event_type: 'zone_updated', data: { n: 'hidden' } },
      { event_type: 'user_login', data: {} },
    ];
    expectProblem(await call(node, 'events', { json: many, token: plain }), 403, 'PERMISSION_DENIED');
    expectProblem(await call(node, 'broadcast', { json: many[1], token: plain }), 403, 'PERMISSION_DENIED');
    expect((await publish('zone_updated', plain, { n: 'mark' })).status).to.equal(202);
    await subscriber.waitFor('zone_updated', ({ data }) => data.n === 'mark');
    expect(subscriber.events.filter(({ type }) => type !== 'zone_updated')).to.deep.equal([]);
    expect(subscriber.events.map(({ data }) => data.n)).to.not.include('hidden');
    expect((await publish('user_login', of('events:publish', 'events:publish_admin'))).status).to.equal(202);
  });

  it('who announces something is filled in by the server, whatever the event says, and is on record', async () => {
    const forged = { message: 'pay here', from_admin: 'the boss', broadcast_time: '1999-01-01T00:00:00Z' };
    const by = of('admin:broadcast');
    const { body } = await publish('admin_broadcast', by, forged);
    const event = await subscriber.waitFor('admin_broadcast', ({ id }) => id === body.event_id);
    expect(event.data).to.include({ message: 'pay here', from_admin: 'Ann' });
    expect(event.data.broadcast_time).to.equal((event as unknown as { timestamp: string }).timestamp);
    const record = await until(
      async () => {
        const query = 'audit?actor=pub&action=broadcast&limit=1';
        const [newest] = (await call(node, query, { token: token('x', { roles: ['viewer'] }) })).body.records;
        return newest?.ended_at && newest;
      },
      { what: 'the record' },
    );
    expect(record).to.include({ target: 'everybody', result: body.event_id, outcome: 'done', via: 'rest' });
    expect(record.details).to.include('pay here');
  });

  it('an own catalogue from before must go on as it was, but that nobody announces without being an admin', async () => {
    const plain = of('events:publish');
    expect((await publish('user_login', plain, {}, own)).status).to.equal(202);
    expectProblem(await publish('admin_broadcast', plain, {}, own), 403, 'PERMISSION_DENIED');
    const { body } = await publish('admin_broadcast', of('admin:broadcast'), { from_admin: 'x' }, own);
    const event = await subscriber.waitFor('admin_broadcast', ({ id }) => id === body.event_id);
    expect(event.data.from_admin).to.equal('Ann');
    expectProblem(await publish('invoice', plain, {}, own), 403, 'PERMISSION_DENIED');
    expect((await publish('invoice', of('events:publish', 'billing:publish'), {}, own)).status).to.equal(202);
  });
});
