import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type Client, createClient, type UnifiedError } from '@unified-ws/client';
import { expect } from 'chai';
import { type WebSocket, WebSocketServer } from 'ws';
import { until } from '../../support/wait.js';

const ESTABLISHED = {
  type: 'connection_established',
  data: {
    subscriptions: ['custom_event'],
    resume: { broadcast: 'fresh', user: 'fresh' },
    positions: { broadcast: 'e.1.a', user: null },
    heartbeat_interval_ms: 25_000,
  },
};
const event = (n: number, more: object = {}): object => ({
  type: 'custom_event',
  data: { n },
  id: `id-${n}`,
  scope: 'broadcast',
  position: `e.${n}.t`,
  ...more,
});

/** What a server may send that is no message of the protocol, or no message that makes sense. */
const RUBBISH: readonly unknown[] = [
  'no JSON {',
  '',
  '[]',
  'null',
  '17',
  '{"type":5}',
  '{"data":{}}',
  Buffer.from([0, 1, 2]),
  { type: 'connection_established' },
  {
    type: 'connection_established',
    data: { subscriptions: 7, resume: null, positions: 'x', heartbeat_interval_ms: -1 },
  },
  { type: '__proto__', data: { toString: 1 } },
  { type: 'heartbeat' },
  { type: 'heartbeat', data: { positions: { broadcast: 9, user: {} } } },
  { type: 'gap', data: { scope: 'nowhere', to: 5 } },
  { type: 'gap' },
  { type: 'server_draining', data: { reconnect_after_ms: 'soon' } },
  { type: 'subscription_updated', data: { subscriptions: { length: 3 } } },
  { type: 'subscription_updated', reply_to: 'constructor' },
  { type: 'pong', reply_to: { toString: null } },
  { type: 'error', data: 'bad' },
  { type: 'custom_event', scope: 'moon', id: 'x', position: 'e.1.a' },
  { type: 'custom_event', scope: 'user', id: 4, position: {} },
  { type: 'custom_event', scope: 'broadcast' },
  { type: 'token_expiring' },
];

describe('a client whose server is not what it should be', function () {
  this.timeout(20_000);
  const unhandled: unknown[] = [];
  const note = (error: unknown): unknown => unhandled.push(error);
  let server: WebSocketServer;
  let client: Client;
  let errors: UnifiedError[];
  let onSocket: (socket: WebSocket, n: number) => void;
  let connections: number;

  before(() => process.on('unhandledRejection', note));
  after(() => process.off('unhandledRejection', note));

  beforeEach(async () => {
    connections = 0;
    errors = [];
    server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'unified.v1' });
    await once(server, 'listening');
    server.on('connection', (socket) => {
      connections += 1;
      onSocket(socket, connections);
    });
    client = createClient({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ws`,
      getToken: () => 'secret-token',
      onError: (error) => errors.push(error),
    });
  });
  afterEach(async () => {
    client.close();
    for (const socket of server.clients) socket.terminate();
    server.close();
    await once(server, 'close');
    expect(unhandled.splice(0)).to.deep.equal([]);
    expect(JSON.stringify(client.report())).not.to.contain('secret-token');
    expect(errors.map((error) => `${error.stack} ${JSON.stringify(error.details)}`).join()).not.to.contain(
      'secret-token',
    );
  });

  const send = (socket: WebSocket, frame: unknown): void =>
    socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));

  it('must go on with what makes sense, between what does not', async () => {
    const got: unknown[] = [];
    client.on('custom_event', ({ data }) => {
      got.push(data.n);
    });
    onSocket = (socket) => {
      for (const frame of RUBBISH) send(socket, frame);
      send(socket, ESTABLISHED);
      for (const [n, frame] of RUBBISH.entries()) {
        // A second one is no rubbish: the server says that it begins again.
        if (!JSON.stringify(frame).includes('connection_established')) send(socket, frame);
        send(socket, event(n + 2));
      }
    };
    await until(() => got.length === RUBBISH.length, {
      what: () => `the events, not ${JSON.stringify(client.report())}`,
    });
    expect(got).to.deep.equal(RUBBISH.map((_, n) => n + 2));
    expect(client.report().counts.rubbish).to.be.above(5);
  });

  it('an event that comes again, under an older or another position, must not be handed over again', async () => {
    const got: unknown[] = [];
    client.on('custom_event', ({ data }) => {
      got.push(data.n);
    });
    onSocket = (socket) => {
      send(socket, ESTABLISHED);
      for (const n of [2, 3, 2, 4, 3, 2]) send(socket, event(n));
      send(socket, event(4, { position: 'f.9.t' }));
      send(socket, event(5));
    };
    await until(() => got.includes(5), { what: 'the last event' });
    expect(got).to.deep.equal([2, 3, 4, 5]);
    expect(client.report().counts.repeats).to.equal(4);
  });

  it('must not come back more than once a second when each connection ends at once, at whatever step', async () => {
    const steps: ((socket: WebSocket) => void)[] = [
      (socket) => socket.terminate(),
      (socket) => socket.close(1011),
      (socket) => {
        send(socket, ESTABLISHED);
        socket.terminate();
      },
      (socket) => {
        send(socket, ESTABLISHED);
        socket.close(4200, 'reconnect_after_ms=0');
      },
    ];
    onSocket = (socket, n) => steps[(n - 1) % steps.length]?.(socket);
    client.connect();
    const began = performance.now();
    await until(() => connections === 4, { what: 'four connections', timeoutMs: 15_000 });
    expect(performance.now() - began).to.be.at.least(2900);
    expect(client.state.willRetry).to.equal(true);
  });

  it('a subscription that the server never makes must not be asked for in a circle', async () => {
    let asked = 0;
    client.on(['custom_event', 'zone_created'], () => undefined);
    onSocket = (socket) => {
      send(socket, { ...ESTABLISHED, data: { ...ESTABLISHED.data, subscriptions: ['health_update'] } });
      socket.on('message', (text: Buffer) => {
        const { id, type } = JSON.parse(text.toString());
        if (id === undefined) return;
        asked += 1;
        send(socket, { type: 'subscription_updated', reply_to: id, data: { subscriptions: ['health_update'], type } });
      });
    };
    await client.ready();
    expect(asked).to.equal(2);
    expect(errors.map(({ code }) => code)).to.deep.equal(['SUBSCRIPTION_REFUSED', 'SUBSCRIPTION_REFUSED']);
  });

  it('a request that is never answered must end with an error that says so, and so must one whose connection ends', async () => {
    onSocket = (socket) => send(socket, ESTABLISHED);
    const late = await client.request('ping', {}, { timeoutMs: 50 }).catch((error: UnifiedError) => error);
    expect(late).to.include({ name: 'NoReplyError', code: 'REQUEST_TIMEOUT' });
    await until(() => client.state.status === 'connected', { what: 'the connection' });
    const cut = client.request('ping').catch((error: UnifiedError) => error);
    for (const socket of server.clients) socket.terminate();
    expect(await cut).to.include({ name: 'NoReplyError', code: 'CONNECTION_LOST' });
    const controller = new AbortController();
    const aborted = client.request('ping', {}, { signal: controller.signal }).catch((error: unknown) => error);
    controller.abort('enough');
    expect(await aborted).to.equal('enough');
    const closed = client.request('ping').catch((error: UnifiedError) => error);
    client.close();
    expect(await closed).to.include({ code: 'CLOSED' });
  });

  it('a handler that throws must be reported, and stop neither other handlers nor the acknowledgement', async () => {
    let acks = 0;
    let calls = 0;
    client.on('custom_event', () => {
      throw new Error('at once');
    });
    client.on('custom_*', async () => {
      throw new Error('later');
    });
    client.on('*', () => {
      calls += 1;
    });
    onSocket = (socket) => {
      send(socket, ESTABLISHED);
      send(socket, event(7, { scope: 'user' }));
      socket.on('message', (text: Buffer) => {
        const { type, data } = JSON.parse(text.toString());
        if (type === 'ack' && data.user === 'e.7.t') acks += 1;
      });
    };
    await until(() => acks === 1, { what: 'the acknowledgement' });
    expect(calls).to.equal(1);
    const causes = errors.filter(({ code }) => code === 'HANDLER_FAILED').map(({ cause }) => String(cause));
    expect(causes).to.deep.equal(['Error: at once', 'Error: later']);
  });
});
