import { expect } from 'chai';
import { type LocalNode, World } from '../../../../node/support/world.js';
import { adminToken, token } from '../../../../support/tokens.js';
import { call, expectProblem } from '../support.js';

const EVENT = { event_type: 'zone_updated', data: { zone: 'example.org' } };

describe('POST /broadcast', () => {
  const world = new World();
  let first: LocalNode;
  let second: LocalNode;
  const service = token('service-1', { roles: ['service'] });

  before(async () => {
    await world.start();
    first = await world.node();
    second = await world.node();
  });

  afterEach(() => world.endClients());
  after(() => world.stop());

  it('reaches a subscriber on another node', async () => {
    const client = await world.connect(second);
    const answer = await call(first, 'broadcast', { token: service, json: EVENT });
    expect(answer.status, answer.text).to.equal(202);
    expect(answer.body).to.have.all.keys('event_id', 'accepted_at', 'duplicate', 'payload_differs', 'queue');
    expect(answer.body.duplicate).to.equal(false);
    expect(new Date(answer.body.accepted_at).toISOString()).to.equal(answer.body.accepted_at);
    const event = await client.waitFor('zone_updated');
    expect(event.id).to.equal(answer.body.event_id);
    expect(event.data).to.deep.equal(EVENT.data);
  });

  it('publishes once for one Idempotency-Key, whichever node hears the repeat', async () => {
    const client = await world.connect(first);
    const headers = { 'idempotency-key': 'order-7' };
    const one = await call(first, 'broadcast', { token: service, json: EVENT, headers });
    const again = await call(second, 'broadcast', { token: service, json: EVENT, headers });
    expect([one.status, again.status]).to.deep.equal([202, 202]);
    expect(again.body.event_id).to.equal(one.body.event_id);
    expect([one.body.duplicate, again.body.duplicate]).to.deep.equal([false, true]);
    const last = await call(first, 'broadcast', { token: service, json: EVENT });
    await client.waitFor('zone_updated', (frame) => frame.id === last.body.event_id);
    const ids = client.events.map((event) => event.id);
    expect(ids).to.deep.equal([one.body.event_id, last.body.event_id]);
  });

  it('takes the key for the id of the event, and another id beside it for a mistake', async () => {
    const headers = { 'idempotency-key': 'k-1' };
    const both = { token: service, json: { ...EVENT, id: 'k-1' }, headers };
    expect((await call(first, 'broadcast', both)).status).to.equal(202);
    const repeat = await call(first, 'broadcast', { token: service, json: { ...EVENT, id: 'k-1' } });
    expect(repeat.body.duplicate).to.equal(true);
    const other = await call(first, 'broadcast', { token: service, json: { ...EVENT, id: 'k-2' }, headers });
    expect(expectProblem(other, 400, 'VALIDATION_ERROR').errors?.[0]?.path).to.equal('/id');
  });

  it('refuses a key that could be no id', async () => {
    for (const key of ['with space', 'x'.repeat(65), '', 'a,b']) {
      const headers = { 'idempotency-key': key };
      const answer = await call(first, 'broadcast', { token: service, json: EVENT, headers });
      expect(expectProblem(answer, 400, 'VALIDATION_ERROR').errors?.[0]?.path, key).to.equal('/id');
    }
  });

  it('says what is wrong with an event', async () => {
    const cases: readonly [unknown, string][] = [
      [{ data: {} }, ''],
      [{ event_type: 'zone_updated' }, ''],
      [{ event_type: 'no_such_type', data: {} }, '/event_type'],
      [{ ...EVENT, data: [] }, '/data'],
      [{ ...EVENT, priority: 'huge' }, '/priority'],
      [{ ...EVENT, oops: 1 }, '/oops'],
      [{ ...EVENT, target_user_ids: ['user-1', '\ud800'] }, '/target_user_ids/1'],
      [[EVENT], ''],
    ];
    for (const [json, path] of cases) {
      const answer = await call(first, 'broadcast', { token: service, json });
      const problem = expectProblem(answer, 400, 'VALIDATION_ERROR');
      expect(problem.errors?.[0]?.path, JSON.stringify(json)).to.equal(path);
      expect(problem.errors?.[0]?.message).to.be.a('string');
    }
  });

  it('without a body is 400', async () => {
    for (const call_ of [{ method: 'POST' }, { method: 'POST', headers: { 'content-type': 'application/json' } }]) {
      expectProblem(await call(first, 'broadcast', { token: service, ...call_ }), 400, 'VALIDATION_ERROR');
    }
  });

  it('of a full queue is 429 with a time to come back', async () => {
    const full = await world.node({ EVENT_QUEUE_MAX: '1' });
    const later = { ...EVENT, delay_ms: 600_000 };
    expect((await call(full, 'broadcast', { token: service, json: later })).status).to.equal(202);
    // An event that needs no queue is accepted even then.
    expect((await call(full, 'broadcast', { token: service, json: EVENT })).status).to.equal(202);
    const answer = await call(full, 'broadcast', { token: service, json: later });
    const problem = expectProblem(answer, 429, 'RATE_LIMITED');
    expect(Number(answer.headers.get('retry-after'))).to.be.within(1, 60);
    expect(problem.details?.retry_after_ms).to.be.a('number');
  });

  it('needs no more than the permission of an admin to broadcast', async () => {
    const answer = await call(first, 'broadcast', { token: adminToken(), json: EVENT });
    expect(answer.status, answer.text).to.equal(202);
  });
});
