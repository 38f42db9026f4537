import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
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

const EVENT = { event_type: 'custom_event', data: {} };

describe('memory and the end of the publisher', function () {
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

  const away = () => ({ status: 429, headers: { 'retry-after': '1' } });

  it('a server that takes nothing must not fill the memory: further events are refused, and the kept ones arrive', async () => {
    gateway.fault = away;
    const publisher = publisherFor(gateway.http, { maxBufferedEvents: 20 });
    const run = world.user('run');
    const kept = Array.from({ length: 20 }, (_, n) => publisher.publish(numbered(run, n)));
    const failure = await failureOf(publisher.publish(numbered(run, 20)));
    expect([failure.code, failure.outcome]).to.deep.equal(['BUFFER_FULL', 'not_published']);
    expect(publisher.buffered.events).to.equal(20);
    gateway.fault = () => 'pass';
    await Promise.all(kept);
    expect(publisher.buffered).to.deep.equal({ events: 0, bytes: 0 });
    await expectOnceInOrder(client, run, 20);
  });

  it('the bytes of events must count, too', async () => {
    gateway.fault = away;
    const publisher = publisherFor(gateway.http, { maxBufferedBytes: 10_000 });
    const large = { event_type: 'custom_event', data: { text: 'ü'.repeat(2000) } };
    const kept = [publisher.publish(large), publisher.publish(large)];
    expect((await failureOf(publisher.publish(large))).code).to.equal('BUFFER_FULL');
    expect(publisher.buffered.bytes).to.be.within(8000, 10_000);
    const never = await failureOf(publisher.publish({ ...large, data: { text: 'x'.repeat(11_000) } }));
    expect(never.code).to.equal('INVALID_EVENT');
    gateway.fault = () => 'pass';
    await Promise.all(kept);
  });

  it('callers who would rather wait must get their turn in order, within the bound', async () => {
    let most = 0;
    const publisher = publisherFor(gateway.http, { maxBufferedEvents: 10, maxBatchEvents: 4, whenFull: 'wait' });
    gateway.fault = () => {
      most = Math.max(most, publisher.buffered.events);
      return 'pass';
    };
    const run = world.user('run');
    await Promise.all(Array.from({ length: 100 }, (_, n) => publisher.publish(numbered(run, n))));
    expect(most).to.equal(10);
    await expectOnceInOrder(client, run, 100);
  });

  it('one who waits for room and gives up must not hold up those behind', async () => {
    gateway.fault = away;
    const publisher = publisherFor(gateway.http, { maxBufferedEvents: 1, whenFull: 'wait' });
    const run = world.user('run');
    const first = publisher.publish(numbered(run, 0, 1));
    const abort = new AbortController();
    const second = failureOf(publisher.publish(numbered(run, 1, 1), abort));
    const third = publisher.publish(numbered(run, 2, 1));
    abort.abort();
    expect((await second).code).to.equal('ABORTED');
    gateway.fault = () => 'pass';
    await Promise.all([first, third]);
    await expectOnceInOrder(client, run, 3, { keys: 1, missing: [1] });
  });

  it('a service that ends must not lose what it has published', async () => {
    const publisher = publisherFor(gateway.http, {
      maxBatchEvents: 10,
      lingerMs: 60_000,
      maxBufferedEvents: 50,
      whenFull: 'wait',
    });
    const run = world.user('run');
    const answers = Array.from({ length: 75 }, (_, n) => publisher.publish(numbered(run, n)));
    const closing = publisher.close();
    expect(publisher.close({ timeoutMs: 0 })).to.equal(closing);
    const late = await failureOf(publisher.publish(EVENT));
    expect([late.code, late.outcome]).to.deep.equal(['CLOSED', 'not_published']);
    expect(await closing).to.deep.equal({ rejected: 0 });
    await Promise.all(answers);
    await expectOnceInOrder(client, run, 75);
  });

  it('a service that ends must not hang on a server that does not answer, and must know what is not published', async () => {
    gateway.fault = () => 'hold';
    const publisher = publisherFor(gateway.http, { maxBatchEvents: 1 });
    const answers = Array.from({ length: 3 }, () => failureOf(publisher.publish(EVENT)));
    await until(() => gateway.requests.length === 1, { what: 'the first is under way' });
    const began = performance.now();
    expect(await publisher.close({ timeoutMs: 200 })).to.deep.equal({ rejected: 3 });
    expect(performance.now() - began).to.be.within(190, 2000);
    const failures = await Promise.all(answers);
    expect(failures.map(({ code, outcome }) => [code, outcome])).to.deep.equal([
      ['CLOSED', 'unknown'],
      ['CLOSED', 'not_published'],
      ['CLOSED', 'not_published'],
    ]);
  });

  it('a publisher that is aborted must end at once, whatever it waits for', async () => {
    const abort = new AbortController();
    const hangs = publisherFor(gateway.http, { signal: abort.signal, getToken: () => new Promise(() => undefined) });
    gateway.fault = away;
    const waits = publisherFor(gateway.http, { signal: abort.signal });
    const failures = [failureOf(hangs.publish(EVENT)), failureOf(waits.publish(EVENT))];
    await until(() => waits.lastFailure !== null, { what: 'one waits to try again' });
    abort.abort();
    for (const { code } of await Promise.all(failures)) expect(code).to.equal('CLOSED');
    expect((await failureOf(publisherFor(gateway.http, { signal: abort.signal }).publish(EVENT))).code).to.equal(
      'CLOSED',
    );
  });

  it('a process that has nothing to publish any more must end by itself', async () => {
    const code = `
      import { createPublisher } from '@unified-ws/client/publisher';
      const publisher = createPublisher({ url: process.env.URL, getToken: () => process.env.TOKEN });
      await publisher.publish({ event_type: 'custom_event', data: {} });
      await publisher.close();
      process.stdout.write('published');`;
    const env = { PATH: process.env.PATH ?? '', URL: `${gateway.http}/api/unified/ws`, TOKEN: serviceToken() };
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], {
      env,
      timeout: 20_000,
    });
    expect((await run).stdout).to.equal('published');
  });
});
