import { expect } from 'chai';
import type { TestClient } from '../../support/client.js';
import { NodeProcess } from '../../support/cluster.js';
import { freePort } from '../../support/redis.js';
import { until } from '../../support/wait.js';
import { endPublishers, expectOnceInOrder, numbered, publisherFor } from '../support/published.js';
import { World } from '../support/world.js';

const EVENTS = 1500;
const KILLS = 3;

describe('the publisher while its server is killed', function () {
  this.timeout(120_000);
  const world = new World();
  let server: NodeProcess;
  let client: TestClient;

  before(async () => {
    await world.start();
    const reader = await world.node();
    client = await world.connect(reader);
    const env = { REDIS_URL: world.redis.url, PORT: String(await freePort()), EVENT_QUEUE_PARTITIONS: '1' };
    server = new NodeProcess({ id: 'killed', env });
    await server.start();
    await server.ready();
  });
  after(async () => {
    await endPublishers();
    await server.kill9();
    await world.stop();
  });

  it('a kill in the middle of a batch must lose nothing, double nothing and keep the order of each key', async () => {
    const publisher = publisherFor(server.http, { maxBatchEvents: 40, maxBufferedEvents: EVENTS });
    const run = world.user('run');
    let accepted = 0;
    const answers = Array.from({ length: EVENTS }, (_, n) =>
      publisher.publish(numbered(run, n)).then(() => {
        accepted += 1;
      }),
    );
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const from = accepted;
      await until(() => accepted >= from + 80, { what: 'some are accepted', timeoutMs: 30_000, everyMs: 1 });
      await server.kill9();
      expect(accepted, 'the kill came in the middle').to.be.below(EVENTS);
      await until(() => publisher.lastFailure !== null, { what: 'the publisher notices' });
      await server.start();
    }
    await Promise.all(answers);
    await expectOnceInOrder(client, run, EVENTS);
  });
});
