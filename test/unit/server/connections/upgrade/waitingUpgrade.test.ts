import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { WaitingUpgrade } from '@unified-ws/server/connections/upgrade/waitingUpgrade';
import { expect } from 'chai';
import { until } from '../../../../support/wait.js';

describe('an upgrade that waits for its turn', () => {
  let server: Server;
  let client: Socket;
  let socket: Socket;

  beforeEach(async () => {
    // As http.Server has it: the end of the peer's half does not end the socket.
    server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.on('error', () => client.destroy());
    [socket] = (await accepted) as [Socket];
  });

  afterEach(async () => {
    client.destroy();
    socket.destroy();
    const closed = once(server, 'close');
    server.close();
    await closed;
  });

  for (const how of ['end', 'destroy', 'resetAndDestroy'] as const) {
    it(`must not be accepted for a peer that gave up (${how}): its claim would evict the newer connection`, async () => {
      socket.on('error', () => undefined);
      const waiting = new WaitingUpgrade(socket, Buffer.alloc(0));
      client[how]();
      await until(() => socket.destroyed, { what: 'it is noticed' });
      expect(waiting.end()).to.equal(null);
    });
  }

  it('must not lose what the peer sent meanwhile', async () => {
    const waiting = new WaitingUpgrade(socket, Buffer.from('head,'));
    client.write('early');
    await until(() => socket.bytesRead === 5, { what: 'it has come' });
    expect(waiting.end()?.toString()).to.equal('head,early');
    socket.on('data', (chunk: Buffer) => socket.write(chunk));
    client.write('echo');
    expect(String((await once(client, 'data'))[0])).to.equal('echo');
  });

  it('must not keep what a hostile peer sends without end', async () => {
    const waiting = new WaitingUpgrade(socket, Buffer.alloc(0));
    client.write(Buffer.alloc(1024 * 1024));
    await until(() => socket.destroyed, { what: 'it is ended' });
    expect(waiting.end()).to.equal(null);
  });
});
