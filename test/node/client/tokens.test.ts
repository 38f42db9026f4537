import { type TokenReason, UnauthorizedError } from '@unified-ws/client';
import { expect } from 'chai';
import { token } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { publish, SdkClients } from '../support/sdkClients.js';
import { type LocalNode, World } from '../support/world.js';

const nowS = (): number => Math.floor(Date.now() / 1000);

describe('the tokens of a client', function () {
  this.timeout(30_000);
  const world = new World();
  const clients = new SdkClients();
  let node: LocalNode;

  before(async () => {
    await world.start();
    node = await world.node({ TOKEN_NOTICE_MS: '60000' });
  });
  afterEach(() => clients.close());
  after(() => world.stop());

  it('a token that ends soon must be replaced without a new connection', async () => {
    const user = world.user();
    const reasons: TokenReason[] = [];
    const { client, errors } = clients.make(node, user, {
      getToken: ({ reason }) => {
        reasons.push(reason);
        const iat = nowS();
        return token(user, { claims: { iat, exp: iat + (reasons.length === 1 ? 4 : 3600) } });
      },
    });
    const got: unknown[] = [];
    client.on('custom_event', ({ data }) => {
      got.push(data.n);
    });
    await client.ready();
    await until(() => reasons.length === 2, { what: 'a question for a token', timeoutMs: 10_000 });
    expect(reasons).to.deep.equal(['initial', 'expiring']);
    await publish(node, 'custom_event', { n: 1 });
    await until(() => got.length === 1, { what: 'an event' });
    expect(client.report().counts.connections).to.equal(1);
    expect(client.report().transitions.map(({ status }) => status)).to.deep.equal([
      'connecting',
      'connecting',
      'connected',
    ]);
    expect(errors).to.deep.equal([]);
  });

  it('a token that the server refuses must be replaced before the next attempt', async () => {
    const user = world.user();
    const reasons: TokenReason[] = [];
    const { client } = clients.make(node, user, {
      getToken: ({ reason }) => {
        reasons.push(reason);
        return reason === 'refused'
          ? token(user)
          : token(user, { secret: 'another secret of at least thirty-two bytes' });
      },
    });
    client.connect();
    await until(() => client.state.status === 'connected', { what: 'a connection', timeoutMs: 10_000 });
    expect(reasons).to.deep.equal(['initial', 'refused']);
    expect(client.report().counts.closed_4100).to.equal(1);
  });

  it('a getToken that fails, hangs or gives rubbish must be asked again, at the pace of attempts', async () => {
    const user = world.user();
    const answers: (() => unknown)[] = [
      () => {
        throw new Error('offline');
      },
      () => new Promise(() => undefined),
      () => 'two words',
      () => undefined,
      () => token(user),
    ];
    const times: number[] = [];
    const { client, errors } = clients.make(node, user, {
      tokenTimeoutMs: 50,
      getToken: () => {
        times.push(performance.now());
        return answers.shift()?.() as string;
      },
    });
    client.connect();
    await until(() => client.state.status === 'connected', { what: 'a connection', timeoutMs: 25_000 });
    expect(errors.map(({ code }) => code)).to.deep.equal(Array(4).fill('TOKEN_UNAVAILABLE'));
    expect((errors[0]?.cause as Error).message).to.equal('offline');
    for (const [n, time] of times.entries()) if (n > 0) expect(time - (times[n - 1] ?? 0)).to.be.at.least(999);
  });

  it('a user who must log in again must not be asked for on and on', async () => {
    const user = world.user();
    let isLoggedIn = false;
    let asked = 0;
    const { client, errors } = clients.make(node, user, {
      getToken: () => {
        asked += 1;
        if (!isLoggedIn) throw new UnauthorizedError();
        return token(user);
      },
    });
    client.connect();
    await until(() => client.state.status === 'failed', { what: 'the end' });
    expect(client.state).to.include({ reason: 'unauthorized', willRetry: false, retryAt: null });
    expect(errors).to.deep.equal([]);
    isLoggedIn = true;
    client.reconnect();
    await client.ready();
    expect(client.state.status).to.equal('connected');
    expect(asked).to.equal(2);
  });
});
