import { EventEmitter } from 'node:events';
import { CLOSE } from '@unified-ws/protocol';
import { Backpressure } from '@unified-ws/server/connections/lifecycle/backpressure';
import type { Connection } from '@unified-ws/server/connections/lifecycle/connection';
import { createLogger } from '@unified-ws/server/observability/log/logger';
import { expect } from 'chai';
import { until } from '../../../../support/wait.js';

describe('congested connections', () => {
  // Seen red without the `off`: a socket that is congested again and again would collect listeners.
  it('must leave no listener on their socket, however they stop being congested', () => {
    const onWritable: unknown[] = [];
    const backpressure = new Backpressure({
      clock: { now: () => 0, mono: () => 0 },
      logger: createLogger('silent', 'n1'),
      recoveryDelayMs: 1000,
      recoveryAttempts: 5,
      onWritable: (connection) => onWritable.push(connection),
    });
    const socket = new EventEmitter();
    const connection = { id: 'c', userId: 'u', buffered: 0, socket, signal: () => true } as unknown as Connection;
    for (let n = 0; n < 3; n += 1) {
      backpressure.watch(connection);
      backpressure.watch(connection);
      expect(socket.listenerCount('drain')).to.equal(1);
      socket.emit('drain');
      expect(socket.listenerCount('drain')).to.equal(0);
      expect(onWritable).to.have.length(n + 1);
    }
    backpressure.watch(connection);
    backpressure.stop();
    expect(socket.listenerCount('drain')).to.equal(0);
    expect(backpressure.size).to.equal(0);
  });

  // Seen red with a wait that does not double, without its bound, and with a test too few.
  it('must be tested as often and as late as configured, and not be given up before', async () => {
    let time = 0;
    let looks = 0;
    const mono = (): number => {
      looks += 1;
      return time;
    };
    const backpressure = new Backpressure({
      clock: { now: () => 0, mono },
      logger: createLogger('silent', 'n1'),
      recoveryDelayMs: 1000,
      recoveryAttempts: 5,
      onWritable: () => undefined,
    });
    const pings: number[] = [];
    const ended: unknown[] = [];
    const connection = {
      id: 'c',
      userId: 'u',
      buffered: 1,
      socket: new EventEmitter(),
      ws: { ping: () => pings.push(time) },
      isOpen: () => true,
      end: (code: number) => {
        ended.push([code, time]);
        backpressure.forget(connection);
      },
    } as unknown as Connection;
    backpressure.watch(connection);
    const looked = async (at: number): Promise<void> => {
      time = at;
      const before = looks;
      await until(() => looks >= before + 2 || ended.length > 0, { what: 'it has looked' });
    };
    const due = [1000, 3000, 7000, 15_000, 31_000, 61_000];
    try {
      for (const at of due) {
        await looked(at - 1);
        await looked(at);
      }
    } finally {
      backpressure.stop();
    }
    expect(pings).to.deep.equal(due.slice(0, 5));
    expect(ended).to.deep.equal([[CLOSE.TOO_SLOW, 61_000]]);
  });
});
