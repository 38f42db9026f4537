import { eventStatusSchema } from '@unified-ws/protocol';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import { type LocalNode, World } from '../../../../node/support/world.js';
import { token } from '../../../../support/tokens.js';
import { until } from '../../../../support/wait.js';
import { call, expectProblem } from '../support.js';

const EVENT = { event_type: 'zone_updated', data: { zone: 'example.org' } };

describe('POST /events and GET /events/:event_id', () => {
  const world = new World();
  let node: LocalNode;
  const service = token('service-1', { roles: ['service'] });

  before(async () => {
    await world.start();
    node = await world.node();
  });
  afterEach(() => world.endClients());
  after(() => world.stop());

  it('an array must arrive whole and in order, and each of its events must be told of', async () => {
    const client = await world.connect(node);
    const json = Array.from({ length: 150 }, (_, index) => ({ ...EVENT, data: { index } }));
    const answer = await call(node, 'events', { token: service, json });
    expect(answer.status, answer.text).to.equal(202);
    expect(answer.body).to.have.all.keys('event_ids', 'accepted_at', 'duplicates', 'payload_differs');
    expect(new Set(answer.body.event_ids).size).to.equal(150);
    await until(() => client.events.length >= 150, { what: 'all arrive' });
    expect(client.events.map((event) => event.id)).to.deep.equal(answer.body.event_ids);
    expect(client.events.map((event) => event.data.index)).to.deep.equal(json.map(({ data }) => data.index));
    const isStatus = new Ajv({ strict: false }).compile(eventStatusSchema);
    for (const id of [answer.body.event_ids[0], answer.body.event_ids[149]]) {
      const status = await call(node, `events/${id}`, { token: service });
      expect(status.body).to.include({ event_id: id, status: 'appended' });
      expect(isStatus(status.body)).to.equal(true);
    }
  });

  it('the repeat of an array with its Idempotency-Key must publish nothing twice', async () => {
    const client = await world.connect(node);
    const headers = { 'idempotency-key': 'import-3' };
    const json = [EVENT, { ...EVENT, event_type: 'zone_created' }];
    const one = await call(node, 'events', { token: service, json, headers });
    const again = await call(node, 'events', { token: service, json, headers });
    expect([one.status, again.status]).to.deep.equal([202, 202]);
    expect(one.body.duplicates).to.deep.equal([]);
    expect(again.body.duplicates).to.deep.equal(one.body.event_ids);
    const single = { token: service, json: { ...EVENT, id: 'import-3_0' } };
    expect((await call(node, 'events', single)).body).to.include({ duplicate: true, event_id: one.body.event_ids[0] });
    await until(() => client.events.length >= 2, { what: 'both arrive' });
    const last = await call(node, 'events', { token: service, json: EVENT });
    await client.waitFor('zone_updated', (frame) => frame.id === last.body.event_id);
    expect(client.events).to.have.length(3);
  });

  it('what cannot be published must be refused with its place, and all else with it', async () => {
    const refused = async (json: unknown, path: string, headers: Record<string, string> = {}): Promise<void> => {
      const problem = expectProblem(
        await call(node, 'events', { token: service, json, headers }),
        400,
        'VALIDATION_ERROR',
      );
      expect(problem.errors?.[0]?.path).to.equal(path);
    };
    await refused([EVENT, { event_type: 'nope', data: {} }], '/1/event_type');
    await refused([EVENT, 7], '/1');
    await refused([], '');
    await refused([EVENT, { ...EVENT, id: 'other' }], '/1/id', { 'idempotency-key': 'k' });
    await refused([EVENT], '/0/id', { 'idempotency-key': 'with space' });
    await refused('text', '');
  });

  it('an id that nobody knows is unknown, one that cannot be an id is a mistake, and a stranger is told nothing', async () => {
    const unknown = await call(node, 'events/01a20625-85fe-7615-8f33-ce08fe0b5205', { token: service });
    expect([unknown.status, unknown.body.status]).to.deep.equal([200, 'unknown']);
    expectProblem(await call(node, 'events/a%20b', { token: service }), 400, 'VALIDATION_ERROR');
    expectProblem(await call(node, 'events/x', { token: token('user-1') }), 403, 'PERMISSION_DENIED');
    expectProblem(await call(node, 'events/x', {}), 401, 'AUTH_ERROR');
  });
});
