import { EventEmitter } from 'node:events';
import { Inbound } from '@unified-ws/server/connections/inbound/inbound';
import type { Connection } from '@unified-ws/server/connections/lifecycle/connection';
import { expect } from 'chai';

/** As much of a WebSocket as is read from. */
class Source extends EventEmitter {
  isPaused = false;
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
}

describe('messages that wait for their turn', () => {
  /** A connection whose messages take as long as they are told to. */
  function slow() {
    const done: (() => void)[] = [];
    const inbound = new Inbound({
      clock: { now: () => 0, mono: () => 1 },
      report: (error) => {
        throw error;
      },
      messageRate: 1000,
      messageBurst: 1000,
      onFirstMessage: () => undefined,
      handle: () => new Promise<void>((resolve) => done.push(resolve)),
      sendError: (_connection, error) => {
        throw error;
      },
    });
    const ws = new Source();
    const state = { ws, status: 'open', inbox: null, handling: false, tokens: 1000, tokensAt: 0, isOpen: () => true };
    const connection = state as unknown as Connection;
    inbound.attach(connection);
    const finish = async (): Promise<void> => {
      done.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    };
    return { ws, connection, finish, send: (bytes: number) => ws.emit('message', Buffer.alloc(bytes), false) };
  }

  it('must stop the reading after 32, and let it go on when most of them are done', async () => {
    const { ws, connection, finish, send } = slow();
    for (let n = 0; n < 32; n += 1) send(10);
    expect(ws.isPaused).to.equal(false);
    send(10);
    expect(ws.isPaused).to.equal(true);
    for (let n = 0; n < 23; n += 1) await finish();
    expect(ws.isPaused).to.equal(true);
    await finish();
    expect(ws.isPaused).to.equal(false);
    expect(connection.inbox).to.have.length(8);
  });

  // Seen to take 32 of any size.
  it('must stop the reading after 256 KiB, whatever MAX_PAYLOAD is, and take one of any size', async () => {
    const { ws, finish, send } = slow();
    send(16_777_216);
    send(200_000);
    expect(ws.isPaused).to.equal(false);
    send(16_777_216);
    expect(ws.isPaused).to.equal(true);
    await finish();
    expect(ws.isPaused, 'the large one waits still').to.equal(true);
    await finish();
    expect(ws.isPaused).to.equal(false);
  });
});
