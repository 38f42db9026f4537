import { inspect } from 'node:util';
import { expect } from 'chai';
import { HttpGateway } from '../../support/httpGateway.js';
import { TOKEN } from '../../support/logGuard.js';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { endPublishers, failureOf, publisherFor, serviceToken } from '../support/published.js';
import { type LocalNode, World } from '../support/world.js';

const EVENT = { event_type: 'custom_event', data: {} };

describe('tokens of the publisher', function () {
  this.timeout(30_000);
  const world = new World();
  let node: LocalNode;
  let gateway: HttpGateway;

  before(async () => {
    await world.start();
    node = await world.node();
    gateway = await HttpGateway.start(() => node.port);
  });
  beforeEach(() => {
    gateway.requests.splice(0);
    gateway.fault = () => 'pass';
  });
  afterEach(() => endPublishers());
  after(async () => {
    await gateway.stop();
    await world.stop();
  });

  const expired = (): string => serviceToken('service-1', -60);

  it('an expired token must be renewed once, for all that waits, and lose nothing', async () => {
    const reasons: string[] = [];
    const publisher = publisherFor(gateway.http, {
      maxBatchEvents: 10,
      getToken: async ({ reason }) => {
        reasons.push(reason);
        return reasons.length === 1 ? expired() : serviceToken();
      },
    });
    await Promise.all(Array.from({ length: 50 }, () => publisher.publish(EVENT)));
    expect(reasons).to.deep.equal(['initial', 'refused']);
    // One refused, then five.
    expect(gateway.requests).to.have.length(6);
    await publisher.publish(EVENT);
    expect(reasons).to.have.length(2);
  });

  it('a service whose tokens are all refused must hear of it within seconds, with the reason', async () => {
    let given = 0;
    const publisher = publisherFor(gateway.http, {
      getToken: () => {
        given += 1;
        return expired();
      },
    });
    const failure = await failureOf(publisher.publish(EVENT));
    expect([failure.code, failure.outcome, failure.status]).to.deep.equal(['UNAUTHORIZED', 'not_published', 401]);
    expect(given).to.equal(4);
  });

  it('a login service that is away must only delay events', async () => {
    let calls = 0;
    const publisher = publisherFor(gateway.http, {
      requestTimeoutMs: 100,
      getToken: ({ signal }) => {
        calls += 1;
        if (calls === 1) throw new Error('502');
        if (calls === 2) return Promise.reject(new Error('502'));
        if (calls === 3) return new Promise<string>((_resolve, reject) => signal.addEventListener('abort', reject));
        if (calls === 4) return { token: serviceToken() } as unknown as string;
        return serviceToken();
      },
    });
    const published = publisher.publish(EVENT);
    await until(() => publisher.lastFailure?.code === 'TOKEN_UNAVAILABLE', { what: 'a failure' });
    await published;
    expect(calls).to.equal(5);
  });

  it('UnauthorizedError must end what waits at once', async () => {
    class UnauthorizedError extends Error {
      override readonly name = 'UnauthorizedError';
    }
    const reason = new UnauthorizedError('the account is closed');
    const publisher = publisherFor(gateway.http, { getToken: () => Promise.reject(reason) });
    const failures = await Promise.all([failureOf(publisher.publish(EVENT)), failureOf(publisher.publish(EVENT))]);
    for (const failure of failures) {
      expect([failure.code, failure.outcome, failure.cause]).to.deep.equal(['UNAUTHORIZED', 'not_published', reason]);
    }
  });

  it('a token must not stand in what the publisher tells of a failure', async () => {
    const secret = token('service-1');
    const broken = [`${secret}\n`, `${secret} x`, `${secret}ü`];
    const told: unknown[] = [];
    for (const bad of broken) {
      const publisher = publisherFor(gateway.http, { getToken: () => bad, deliveryTimeoutMs: 200 });
      told.push(await failureOf(publisher.publish(EVENT)), publisher.lastFailure, publisher);
    }
    const refused = publisherFor(gateway.http, { getToken: () => expired() });
    told.push(await failureOf(refused.publish(EVENT)));
    gateway.fault = () => 'cut';
    const cut = publisherFor(gateway.http, { getToken: () => secret, deliveryTimeoutMs: 200 });
    told.push(await failureOf(cut.publish(EVENT)), cut.lastFailure);
    for (const thing of told)
      expect(TOKEN.test(`${JSON.stringify(thing)}${inspect(thing, { depth: 3 })}`)).to.equal(false);
  });
});
