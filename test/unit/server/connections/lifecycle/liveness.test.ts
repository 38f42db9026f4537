import { CLOSE, type CloseCode } from '@unified-ws/protocol';
import type { Connection } from '@unified-ws/server/connections/lifecycle/connection';
import type { ConnectionState } from '@unified-ws/server/connections/lifecycle/connectionState';
import { Liveness } from '@unified-ws/server/connections/lifecycle/liveness';
import { expect } from 'chai';
import { until } from '../../../../support/wait.js';

const PING_INTERVAL_MS = 60_000;

describe('the end of a token', () => {
  const clock = { now: () => Date.now(), mono: () => performance.now() };
  const liveness = new Liveness({
    clock,
    random: () => 1,
    pingIntervalMs: PING_INTERVAL_MS,
    pingTimeoutMs: 100,
    heartbeatIntervalMs: PING_INTERVAL_MS,
    authTimeoutMs: PING_INTERVAL_MS,
    position: () => null,
    mailboxPosition: () => null,
    positionOf: () => null,
    onAuthTimeout: () => undefined,
  });
  before(() => liveness.start());
  after(() => liveness.stop());

  // Seen red for `congested`: it came with the next ping, and what emptied meanwhile was delivered to (G8).
  for (const status of ['open', 'congested', 'recovering'] satisfies ConnectionState[]) {
    it(`must come in time for a connection that is ${status}, not with its next ping`, async () => {
      const ended: CloseCode[] = [];
      const connection = {
        status,
        socket: { bytesRead: 0 },
        ws: { isPaused: false },
        isOpen: () => ended.length === 0,
        isCongested: () => status === 'congested',
        send: () => undefined,
        end: (code: CloseCode) => ended.push(code),
      };
      const watched = connection as unknown as Connection;
      liveness.watch(watched);
      const now = clock.now();
      liveness.endToken(watched, { noticeAt: now, endsAt: now, closeAt: now + 50 });
      await until(() => ended.length > 0, { timeoutMs: 2000, what: 'its end' });
      expect(ended).to.deep.equal([CLOSE.TOKEN_EXPIRED]);
      liveness.forget(watched);
    });
  }
});
