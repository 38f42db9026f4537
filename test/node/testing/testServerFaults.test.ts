import { readdirSync, readFileSync } from 'node:fs';
import { type AnyEvent, type Client, type ClientOptions, createClient } from '@unified-ws/client/core';
import { createTestServer, type TestServer, type TestServerOptions } from '@unified-ws/client/testing';
import { expect } from 'chai';
import { until, within } from '../../support/wait.js';
import { Dialled } from './support.js';

/** The faults that an app can be tested against, as the client of the SDK sees them. */
describe('faults of the server in memory', function () {
  this.timeout(20_000);
  let server: TestServer;
  const clients: Client[] = [];

  beforeEach(() => {
    server = createTestServer();
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
    server.stop();
  });

  function connect(options: Partial<ClientOptions> = {}, user = 'user-1'): { client: Client; numbers: number[] } {
    const client = createClient({
      url: server.url,
      getToken: () => server.token(user),
      WebSocket: server.WebSocket,
      ...options,
    });
    clients.push(client);
    const numbers: number[] = [];
    client.on('custom_event', (event: AnyEvent) => {
      numbers.push(Number((event.data as { n: number }).n));
    });
    return { client, numbers };
  }

  async function ready(options?: Partial<ClientOptions>): Promise<{ client: Client; numbers: number[] }> {
    const made = connect(options);
    await made.client.ready();
    return made;
  }

  const publish = (n: number, more: object = {}): string =>
    server.publish({ event_type: 'custom_event', data: { n }, ...more });
  const status = (client: Client, wanted: string): Promise<unknown> =>
    until(() => client.state.status === wanted, { what: () => `${wanted}; it is ${JSON.stringify(client.state)}` });
  const came = (numbers: number[], wanted: number[]): Promise<unknown> =>
    until(() => numbers.length >= wanted.length, { what: () => `${wanted}; came: ${numbers}` }).then(() =>
      expect(numbers).to.deep.equal(wanted),
    );

  it('events must reach the handlers of an app without a network, and without a timer', async () => {
    const { numbers } = await ready();
    await server.subscribed('user-1', 'custom_event');
    publish(1);
    publish(2, { target_user_ids: ['user-1'] });
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    expect(numbers).to.deep.equal([1, 2]);
    expect(server.connections.map(({ userId, subscriptions }) => [userId, subscriptions])).to.deep.equal([
      ['user-1', ['custom_event']],
    ]);
  });

  it('cut: what is published meanwhile must come after the reconnect, once', async () => {
    const { client, numbers } = await ready();
    publish(1);
    await came(numbers, [1]);
    server.cut('user-1');
    publish(2);
    publish(3, { target_user_ids: ['user-1'] });
    await came(numbers, [1, 2, 3]);
    expect(client.state.status).to.equal('connected');
  });

  it('refuse: upgrades must fail as if no server was there', async () => {
    server.refuse(2);
    const { client, numbers } = connect();
    await client.ready();
    publish(1);
    await came(numbers, [1]);
  });

  it('close: a code must do what its range says', async () => {
    const { client } = await ready();
    server.close('user-1', 4201, 'too slow');
    await until(() => client.state.status !== 'connected', { what: 'it is closed' });
    expect(client.state.code).to.equal(4201);
    await status(client, 'connected');
    server.close('user-1', 4002, 'see you');
    await status(client, 'failed');
    expect(client.state).to.deep.include({ code: 4002, willRetry: false, message: 'see you' });
  });

  it('expireToken: the client must get a new token and go on', async () => {
    const reasons: string[] = [];
    const { client, numbers } = await ready({
      getToken: ({ reason }) => {
        reasons.push(reason);
        return server.token('user-1');
      },
    });
    server.expireToken('user-1');
    publish(1);
    await came(numbers, [1]);
    expect(reasons).to.deep.equal(['initial', 'refused']);
    server.warnOfExpiry('user-1');
    await until(() => reasons.length === 3, { what: 'the token is renewed' });
    expect(reasons[2]).to.equal('expiring');
    expect(client.state.status).to.equal('connected');
    await until(() => server.connections[0]?.received.some(({ type }) => type === 'refresh_token'), {
      what: 'in band',
    });
    expect(JSON.stringify(server.connections)).to.not.match(/eyJ/);
  });

  it('gap: the app must be told, connected or not', async () => {
    const { client, numbers } = await ready();
    const gaps: unknown[][] = [];
    client.onGap(({ scope, reason }) => gaps.push([scope, reason]));
    publish(1);
    await came(numbers, [1]);
    server.gap('log_reset');
    await until(() => gaps.length === 1, { what: 'a gap' });
    server.gap('trimmed', 'user-1');
    await until(() => gaps.length === 2, { what: 'another gap' });
    expect(gaps).to.deep.equal([
      ['broadcast', 'log_reset'],
      ['user', 'trimmed'],
    ]);
    // From the next event on the client has a position in the new log.
    publish(4);
    await came(numbers, [1, 4]);
    server.cut('user-1');
    publish(2);
    server.gap('trimmed');
    publish(3);
    await came(numbers, [1, 4, 3]);
    expect(gaps[2]).to.deep.equal(['broadcast', 'trimmed']);
  });

  it('delay: frames must be late, and in order', async () => {
    const { numbers } = await ready();
    server.delay(100);
    const since = performance.now();
    publish(1);
    server.delay(0);
    publish(2);
    await came(numbers, [1, 2]);
    expect(performance.now() - since).to.be.at.least(95);
  });

  it('drop: a silent connection must be found out, and what was lost in it must come', async () => {
    server.stop();
    server = createTestServer({ heartbeatIntervalMs: 100 } satisfies TestServerOptions);
    const { client, numbers } = await ready({ pingTimeoutMs: 100 });
    publish(1);
    await came(numbers, [1]);
    server.drop('user-1');
    publish(2);
    await came(numbers, [1, 2]);
    await status(client, 'connected');
  });

  it('startDraining: the next connection must take the place of the first, and nothing be missed', async () => {
    const { client, numbers } = await ready();
    const [first] = server.connections;
    server.startDraining(50);
    publish(1);
    await until(() => server.connections[0] && server.connections[0].connectionId !== first?.connectionId, {
      what: 'another connection',
    });
    publish(2);
    await came(numbers, [1, 2]);
    expect(client.state.status).to.equal('connected');
  });

  it('heartbeats must come by themselves, and carry the positions', async () => {
    server.stop();
    server = createTestServer({ heartbeatIntervalMs: 20, defaultSubscriptions: ['custom_event'] });
    const one = new Dialled(server, ['unified.v1', `bearer.${server.token('user-1')}`]);
    await one.opened();
    const id = publish(1);
    const { position } = await one.frame('the event', (frame) => frame.id === id);
    const { data } = await one.frame('a heartbeat after it', (frame) => {
      return frame.type === 'heartbeat' && (frame.data.positions as { broadcast: string }).broadcast === position;
    });
    expect(data).to.deep.include({ connection_healthy: true, positions: { broadcast: position, user: null } });
    expect(one.faults).to.deep.equal([]);
  });

  it('patterns, unknown types and permissions must be testable with declared types', async () => {
    server.stop();
    server = createTestServer({
      eventTypes: { zone_created: {}, zone_deleted: {}, user_login: { permission: 'events:admin' } },
    });
    const errors: string[] = [];
    const client = createClient({
      url: server.url,
      getToken: () => server.token('user-1'),
      WebSocket: server.WebSocket,
      onError: ({ code }) => errors.push(code),
    });
    clients.push(client);
    const types: string[] = [];
    client.on('zone_*', ({ type }: AnyEvent) => {
      types.push(type);
    });
    client.on('user_login', () => undefined);
    await client.ready();
    server.publish({ event_type: 'zone_deleted', data: {} });
    server.publish({ event_type: 'user_login', data: {} });
    await until(() => types.length > 0, { what: 'an event' });
    expect(types).to.deep.equal(['zone_deleted']);
    expect(errors).to.deep.equal(['SUBSCRIPTION_REFUSED']);
    expect(() => server.publish({ event_type: 'nothing', data: {} })).to.throw(TypeError, 'nothing');
  });

  it('the socket must refuse what a real one refuses', async () => {
    const socket = new server.WebSocket(server.url);
    expect(() => socket.send('x'))
      .to.throw()
      .with.property('name', 'InvalidStateError');
    expect(() => socket.close(1001))
      .to.throw()
      .with.property('name', 'InvalidAccessError');
    expect(() => socket.close(4000, 'ü'.repeat(62)))
      .to.throw()
      .with.property('name', 'SyntaxError');
    expect(() => new server.WebSocket('mailto:x'))
      .to.throw()
      .with.property('name', 'SyntaxError');
    const heard: string[] = [];
    for (const type of ['open', 'error', 'close']) socket.addEventListener(type, () => heard.push(type));
    const closed = new Promise<Event>((resolve) => {
      socket.onclose = resolve;
    });
    await until(() => socket.readyState === 1, { what: 'it is open' });
    socket.close(4000, 'bye');
    const event = await within(closed, 1000, 'it is closed');
    expect(event).to.include({ type: 'close', code: 4000, reason: 'bye', wasClean: true });
    expect([heard, socket.readyState]).to.deep.equal([['open', 'close'], 3]);
  });

  it('the published files must need nothing but themselves', () => {
    for (const part of ['testing', 'publisher']) {
      const folder = new URL('.', import.meta.resolve(`@unified-ws/client/${part}`));
      for (const name of readdirSync(folder).filter((file) => /\.(?:js|d\.ts)$/.test(file))) {
        const text = readFileSync(new URL(name, folder), 'utf8');
        const imported = [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(([, from]) => from);
        for (const from of imported) expect(from, name).to.match(/^\.\/\w+\.js$|^@unified-ws\/client\//);
      }
    }
  });
});
