import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { type GatewayFault, HttpGateway } from '../../support/httpGateway.js';
import { freePort } from '../../support/redis.js';
import { RedisProxy } from '../../support/redisProxy.js';
import { until } from '../../support/wait.js';
import { endPublishers, expectOnceInOrder, failureOf, numbered, publisherFor } from '../support/published.js';
import { type LocalNode, World } from '../support/world.js';

/** Nothing lost, nothing twice, order kept, while what is between the publisher and the log fails. */
describe('the publisher under faults', function () {
  this.timeout(60_000);
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

  /** Publishes numbered events, some now and some while the first are under way, and checks what arrives. */
  async function publishThrough(faults: readonly GatewayFault[], count = 400): Promise<void> {
    let next = 0;
    gateway.fault = () => {
      next += 1;
      return faults[next - 1] ?? 'pass';
    };
    const publisher = publisherFor(gateway.http, { maxBatchEvents: 50, requestTimeoutMs: 500 });
    const run = world.user('run');
    const answers: Promise<unknown>[] = [];
    for (let n = 0; n < count; n += 1) {
      answers.push(publisher.publish(numbered(run, n)));
      // In the middle of a batch and of a retry too.
      if (n % 70 === 69) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await Promise.all(answers);
    expect(next, 'all faults were met').to.be.above(faults.length);
    expect(publisher.lastFailure).to.equal(null);
    await expectOnceInOrder(client, run, count);
  }

  it('an answer that is cut off must not publish its events twice', () =>
    publishThrough(['cut_answer', 'pass', 'cut_answer', 'cut_answer', 'pass', 'pass', 'cut_answer']));

  it('a request that never arrives must not lose its events', () =>
    publishThrough(['cut', 'pass', 'cut', 'cut', 'pass']));

  it('an answer that does not come must not hold the publisher up, nor publish twice', () =>
    publishThrough(['hold', 'pass', 'hold']));

  it('errors of a balancer must not lose or double events, whether the node got the request or not', () =>
    publishThrough([
      { status: 502 },
      { status: 502, afterNode: true },
      'pass',
      { status: 503, headers: { 'retry-after': '0' }, afterNode: true },
      { status: 504, afterNode: true },
      { status: 500, afterNode: true },
      { status: 408, afterNode: true },
      { status: 200, body: '<html>', afterNode: true },
      { status: 202, body: { event_ids: ['x'], accepted_at: 'now' }, afterNode: true },
    ]));

  it('Retry-After must be obeyed, as seconds and as a date, and what is published meanwhile must wait in its place', async () => {
    const seconds = { 'retry-after': '1' };
    // Dates are whole seconds.
    const date = { 'retry-after': new Date(Date.now() + 4000).toUTCString() };
    const until = performance.now() + 3000;
    await publishThrough([{ status: 429, headers: seconds }, 'pass', { status: 503, headers: date }]);
    const at = gateway.requests.map((request) => request.at);
    expect((at[1] ?? 0) - (at[0] ?? 0)).to.be.at.least(1000);
    expect(at[3]).to.be.at.least(until);
  });

  it('a Redis that does not answer must only delay events', async () => {
    const publisher = publisherFor(node.http, { maxBatchEvents: 20 });
    const run = world.user('run');
    const answers: Promise<unknown>[] = [];
    const publish = (count: number): void => {
      for (let n = 0; n < count; n += 1) answers.push(publisher.publish(numbered(run, answers.length)));
    };
    publish(100);
    await answers[0];
    world.redis.pause();
    publish(100);
    await until(() => publisher.lastFailure?.code === 'UNAVAILABLE', { what: '503', timeoutMs: 20_000 });
    world.redis.resume();
    await Promise.all(answers);
    // The node may have closed the client meanwhile. Whatever this one was served, another one reads the whole log.
    const position = client.establishedData?.positions.broadcast ?? '';
    const reader = await world.connect(node, world.user(), ['user'], { resume: `${position}~` });
    await expectOnceInOrder(reader, run, 200);
  });

  it('a full event queue must hold events back, and lose none', async () => {
    const small = await world.node({ EVENT_QUEUE_MAX: '1' });
    const admin = await world.admin(small);
    await admin.ask('pause_event_queue', {}, 'event_queue_paused');
    const publisher = publisherFor(small.http, { maxBatchEvents: 10 });
    const run = world.user('run');
    const answers: Promise<unknown>[] = [];
    // A node counts jobs from time to time: what comes before it has counted is still taken.
    const isRefused = (): boolean => {
      answers.push(publisher.publish(numbered(run, answers.length)));
      return publisher.lastFailure?.code === 'RATE_LIMITED';
    };
    try {
      await until(isRefused, { what: '429', timeoutMs: 10_000, everyMs: 20 });
      expect(publisher.lastFailure?.retryInMs).to.be.at.least(1000);
    } finally {
      await admin.ask('resume_event_queue', {}, 'event_queue_resumed');
    }
    await Promise.all(answers);
    await expectOnceInOrder(client, run, answers.length);
  });

  it('an event that may be published must not be sent again when the server may have forgotten it', async () => {
    gateway.fault = () => 'cut_answer';
    const publisher = publisherFor(gateway.http, { idempotencyWindowMs: 1000, deliveryTimeoutMs: 60_000 });
    const run = world.user('run');
    const lost = publisher.publish(numbered(run, 0, 1));
    await until(() => gateway.requests.length > 0, { what: 'the first attempt' });
    const later = publisher.publish(numbered(run, 1, 1));
    const failure = await failureOf(lost);
    expect([failure.code, failure.outcome]).to.deep.equal(['OUTCOME_UNKNOWN', 'unknown']);
    const [first] = gateway.requests;
    const sent = gateway.requests.filter(({ body }) => body.includes(failure.eventId ?? '?'));
    for (const { at } of sent) expect(at - (first?.at ?? 0)).to.be.below(1000);
    await failureOf(later);
    await expectOnceInOrder(client, run, 2, { keys: 1 });
  });

  it('an event that cannot have arrived must outlive the idempotency window', async () => {
    const port = await freePort();
    const idempotencyWindowMs = 200;
    const publisher = publisherFor(`http://127.0.0.1:${port}`, { idempotencyWindowMs });
    const run = world.user('run');
    const published = publisher.publish(numbered(run, 0, 1));
    const since = performance.now();
    await until(() => performance.now() - since > idempotencyWindowMs && publisher.lastFailure !== null, {
      what: 'attempts for longer than the window',
    });
    expect(publisher.lastFailure?.code).to.equal('ECONNREFUSED');
    const late = await HttpGateway.start(() => node.port, port);
    try {
      await published;
    } finally {
      await late.stop();
    }
    await expectOnceInOrder(client, run, 1, { keys: 1 });
  });

  it('the time for delivery must end an event that nobody accepts, also while a hint says to wait longer', async () => {
    gateway.fault = () => ({ status: 429, headers: { 'retry-after': '60' } });
    const publisher = publisherFor(gateway.http, { deliveryTimeoutMs: 300 });
    const failure = await failureOf(publisher.publish({ event_type: 'custom_event', data: {} }));
    expect([failure.code, failure.outcome]).to.deep.equal(['DELIVERY_TIMEOUT', 'not_published']);
    expect(gateway.requests).to.have.length(1);
  });

  it('a cut in the middle of the bytes of an answer must not publish twice', async () => {
    // It passes bytes to any server.
    const proxy = await RedisProxy.start(node.port);
    try {
      const publisher = publisherFor(proxy.url.replace('redis:', 'http:'), { maxBatchEvents: 50 });
      const run = world.user('run');
      let cuts = 0;
      proxy.onLink = (link) => {
        if (cuts >= 5) return;
        cuts += 1;
        // In the status line, in the headers, and in the body.
        link.cutAfter(cuts * cuts * 30);
      };
      await Promise.all(Array.from({ length: 300 }, (_, n) => publisher.publish(numbered(run, n))));
      expect(cuts).to.equal(5);
      await expectOnceInOrder(client, run, 300);
    } finally {
      await proxy.stop();
    }
  });
});
