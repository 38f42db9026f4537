import type { PublishEvent } from '@unified-ws/client/publisher';
import { type PublishRequest, REST_BASE } from '@unified-ws/protocol';
import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { HttpGateway } from '../../support/httpGateway.js';
import { until } from '../../support/wait.js';
import {
  endPublishers,
  expectOnceInOrder,
  failureOf,
  numbered,
  publisherFor,
  serviceToken,
} from '../support/published.js';
import { type LocalNode, World } from '../support/world.js';

/** What the publisher sends, when and how much of it, and what becomes of an event that the server refuses. */
/** Does not compile when the publisher's type and the server's schema have other fields, or fields of other types. */
type Fields<T> = {
  readonly [K in keyof T]-?: Exclude<T[K], undefined> extends readonly (infer I)[] ? readonly I[] : T[K];
};
const asSent = (
  event: Omit<Fields<PublishRequest>, 'data' | 'metadata'>,
): Omit<Fields<PublishEvent>, 'data' | 'metadata'> => event;
const asRead = (
  event: Omit<Fields<PublishEvent>, 'data' | 'metadata'>,
): Omit<Fields<PublishRequest>, 'data' | 'metadata'> => event;
const sameFields: keyof PublishEvent extends keyof PublishRequest ? true : never = true;
const sameRequests: keyof PublishRequest extends keyof PublishEvent ? true : never = true;

describe('requests of the publisher', function () {
  this.timeout(30_000);
  const world = new World();
  let node: LocalNode;
  let gateway: HttpGateway;
  let client: TestClient;

  before(async () => {
    await world.start();
    node = await world.node();
    gateway = await HttpGateway.start(() => node.port);
  });
  beforeEach(async () => {
    gateway.requests.splice(0);
    gateway.fault = () => 'pass';
    client = await world.connect(node);
  });
  afterEach(async () => {
    await endPublishers();
    await world.endClients();
  });
  after(async () => {
    await gateway.stop();
    await world.stop();
  });

  const sizes = (): number[] => gateway.requests.map(({ body }) => (JSON.parse(body) as unknown[]).length);

  it('events of one turn must not cost a request each, and no request may hold more than the server takes', async () => {
    const publisher = publisherFor(gateway.http);
    const run = world.user('run');
    const answers = await Promise.all(Array.from({ length: 1200 }, (_, n) => publisher.publish(numbered(run, n))));
    expect(sizes()).to.deep.equal([500, 500, 200]);
    expect(gateway.requests.map(({ method, path }) => `${method} ${path}`)).to.include(`POST ${REST_BASE}/events`);
    expect(new Set(answers.map(({ eventId }) => eventId)).size).to.equal(1200);
    expect(answers.every(({ duplicate }) => !duplicate)).to.equal(true);
    await expectOnceInOrder(client, run, 1200);
  });

  it('large events must not make a request that is larger than its bound', async () => {
    const publisher = publisherFor(gateway.http, { maxBatchBytes: 20_000 });
    const data = { text: 'ü'.repeat(2000) };
    await Promise.all(Array.from({ length: 20 }, () => publisher.publish({ event_type: 'custom_event', data })));
    for (const { body } of gateway.requests) expect(Buffer.byteLength(body)).to.be.at.most(20_000);
    expect(gateway.requests.length).to.be.within(5, 6);
  });

  it('a single event must not wait for others longer than it may, and not at all while somebody flushes', async () => {
    const publisher = publisherFor(gateway.http, { lingerMs: 60_000 });
    let settled = false;
    const published = publisher.publish({ event_type: 'custom_event', data: {} }).then(() => {
      settled = true;
    });
    await publisher.flush();
    expect(settled).to.equal(true);
    await published;
    const soon = publisherFor(gateway.http, { lingerMs: 20 });
    await soon.publish({ event_type: 'custom_event', data: {} });
  });

  it('a refused event must not take the others of its request with it', async () => {
    const publisher = publisherFor(gateway.http);
    const run = world.user('run');
    const events = Array.from({ length: 30 }, (_, n) => publisher.publish(numbered(run, n)));
    const bad = [
      publisher.publish({ event_type: 'no_such_type', data: {} }),
      publisher.publish({ event_type: 'custom_event', data: [] }),
      publisher.publish({ event_type: 'custom_event', data: {}, id: 'not an id' }),
      publisher.publish({ event_type: 'admin_broadcast', data: { message: 'x' } }),
    ];
    const more = Array.from({ length: 30 }, (_, n) => publisher.publish(numbered(run, 30 + n)));
    const failures = await Promise.all(bad.map(failureOf));
    expect(failures.map(({ code, outcome, status, errors }) => [code, outcome, status, errors[0]?.path])).to.deep.equal(
      [
        ['VALIDATION_ERROR', 'not_published', 400, '/event_type'],
        ['VALIDATION_ERROR', 'not_published', 400, '/data'],
        ['VALIDATION_ERROR', 'not_published', 400, '/id'],
        ['PERMISSION_DENIED', 'not_published', 403, undefined],
      ],
    );
    await Promise.all([...events, ...more]);
    await expectOnceInOrder(client, run, 60);
  });

  it('a refusal that names no event must end only the event that caused it', async () => {
    gateway.fault = ({ body }) =>
      body.includes('poison')
        ? { status: 400, body: { code: 'VALIDATION_ERROR', detail: 'something is wrong' } }
        : 'pass';
    const publisher = publisherFor(gateway.http);
    const run = world.user('run');
    const events = Array.from({ length: 100 }, (_, n) => publisher.publish(numbered(run, n)));
    const poison = publisher.publish({ event_type: 'custom_event', data: { poison: true } });
    const more = Array.from({ length: 100 }, (_, n) => publisher.publish(numbered(run, 100 + n)));
    expect(await failureOf(poison)).to.deep.include({ code: 'VALIDATION_ERROR', message: 'something is wrong' });
    await Promise.all([...events, ...more]);
    await expectOnceInOrder(client, run, 200);
  });

  it('a proxy that takes less than the server must not stop anything', async () => {
    gateway.fault = ({ body }) => (body.length > 3000 ? { status: 413 } : 'pass');
    const publisher = publisherFor(gateway.http);
    const run = world.user('run');
    const events = Array.from({ length: 200 }, (_, n) => publisher.publish(numbered(run, n)));
    const large = publisher.publish({ event_type: 'custom_event', data: { text: 'x'.repeat(4000) } });
    expect((await failureOf(large)).status).to.equal(413);
    await Promise.all(events);
    await expectOnceInOrder(client, run, 200);
  });

  it('what no repeat can mend must be told at once', async () => {
    const elsewhere = publisherFor(gateway.http, { url: `${gateway.http}/elsewhere` });
    const failure = await failureOf(elsewhere.publish({ event_type: 'custom_event', data: {} }));
    expect([failure.status, failure.outcome]).to.deep.equal([404, 'not_published']);
    // The token must not be carried to where a redirect points.
    gateway.fault = () => ({ status: 307, headers: { location: 'http://127.0.0.1:1/' } });
    const redirected = await failureOf(publisherFor(gateway.http).publish({ event_type: 'custom_event', data: {} }));
    expect([redirected.code, redirected.status]).to.deep.equal(['REFUSED', 307]);
  });

  it('what is no JSON must be refused without a request, and the publisher must go on', async () => {
    const publisher = publisherFor(gateway.http);
    const circle: Record<string, unknown> = {};
    circle.circle = circle;
    for (const data of [circle, { n: 1n }]) {
      const failure = await failureOf(publisher.publish({ event_type: 'custom_event', data }));
      expect([failure.code, failure.outcome]).to.deep.equal(['INVALID_EVENT', 'not_published']);
    }
    expect(gateway.requests).to.have.length(0);
    await publisher.publish({ event_type: 'custom_event', data: {} });
  });

  it('an id that was published with another payload must not look like a success; with the same one it is a repeat', async () => {
    const id = world.user('order');
    const event = { event_type: 'custom_event', data: { n: 1 }, id };
    const first = await publisherFor(gateway.http).publish(event);
    // As after a restart of the service: another publisher, the same user.
    const again = publisherFor(gateway.http);
    expect(await again.publish(event)).to.deep.include({ eventId: first.eventId, duplicate: true });
    const other = await failureOf(again.publish({ ...event, data: { n: 2 } }));
    expect([other.code, other.outcome, other.eventId]).to.deep.equal(['PAYLOAD_DIFFERS', 'not_published', id]);
  });

  it('what the caller changes after the call must not change the event', async () => {
    gateway.fault = () => (gateway.requests.length === 1 ? 'cut_answer' : 'pass');
    const data = { n: 1 };
    const published = publisherFor(gateway.http).publish({ event_type: 'custom_event', data });
    data.n = 2;
    const { eventId } = await published;
    const frame = await client.waitFor('custom_event', ({ id }) => id === eventId);
    expect(frame.data).to.deep.equal({ n: 1 });
  });

  it('an aborted event must be told of at once; one that has not left is not sent', async () => {
    gateway.fault = () => 'hold';
    const publisher = publisherFor(gateway.http, { maxBatchEvents: 1 });
    const [first, second] = [new AbortController(), new AbortController()];
    const underWay = failureOf(publisher.publish({ event_type: 'custom_event', data: { n: 1 } }, first));
    const waiting = failureOf(publisher.publish({ event_type: 'custom_event', data: { n: 2 } }, second));
    await until(() => gateway.requests.length === 1, { what: 'the first is under way' });
    const reason = new Error('the request of the caller ended');
    for (const one of [first, second]) one.abort(reason);
    expect([(await underWay).code, (await underWay).outcome]).to.deep.equal(['ABORTED', 'unknown']);
    expect([(await waiting).code, (await waiting).outcome]).to.deep.equal(['ABORTED', 'not_published']);
    expect((await waiting).cause).to.equal(reason);
    const third = await failureOf(publisher.publish({ event_type: 'custom_event', data: {} }, second));
    expect(third.code).to.equal('ABORTED');
    expect(gateway.requests).to.have.length(1);
    expect(publisher.buffered).to.deep.equal({ events: 0, bytes: 0 });
  });

  it('an event of the publisher must have the fields that the server knows', () => {
    // The compiler checks it.
    expect([sameFields, sameRequests, asSent.length, asRead.length]).to.deep.equal([true, true, 1, 1]);
  });

  it('options that cannot be meant must be refused when the publisher is made, without the secrets in them', () => {
    const make = (options: object) => () => publisherFor(gateway.http, options);
    expect(make({ url: 'ws://example.com' })).to.throw(TypeError, 'url');
    expect(make({ url: 'https://user:secret@example.com' })).to.throw(TypeError, /^((?!secret).)*$/);
    expect(make({ maxBatchEvents: 1001 })).to.throw(TypeError, 'maxBatchEvents');
    expect(make({ lingerMs: Number.NaN })).to.throw(TypeError, 'lingerMs');
    expect(make({ getToken: serviceToken() })).to.throw(TypeError, /^getToken must be a function.$/);
    expect(make({ whenFull: 'drop' })).to.throw(TypeError, 'whenFull');
  });
});
