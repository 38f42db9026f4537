import { EventEmitter } from 'node:events';
import { Backpressure } from '@unified-ws/server/edge/backpressure';
import type { Connection } from '@unified-ws/server/edge/connection';
import { createLogger } from '@unified-ws/server/observability/logger';
import { expect } from 'chai';

describe('congested connections', () => {
  // Seen red without the `off`: a socket that is congested again and again would collect listeners.
  it('must leave no listener on their socket, however they stop being congested', () => {
    const drained: unknown[] = [];
    const backpressure = new Backpressure({
      clock: { now: () => 0, mono: () => 0 },
      logger: createLogger('silent', 'n1'),
      delayMs: 1000,
      attempts: 5,
      onDrained: (connection) => drained.push(connection),
    });
    const socket = new EventEmitter();
    const connection = { id: 'c', userId: 'u', buffered: 0, socket, signal: () => true } as unknown as Connection;
    for (let n = 0; n < 3; n += 1) {
      backpressure.watch(connection);
      backpressure.watch(connection);
      expect(socket.listenerCount('drain')).to.equal(1);
      socket.emit('drain');
      expect(socket.listenerCount('drain')).to.equal(0);
      expect(drained).to.have.length(n + 1);
    }
    backpressure.watch(connection);
    backpressure.stop();
    expect(socket.listenerCount('drain')).to.equal(0);
    expect(backpressure.size).to.equal(0);
  });
});
