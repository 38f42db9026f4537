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

describe('ping and heartbeat', function () {
  this.timeout(10_000);
  const clock = { now: () => Date.now(), mono: () => performance.now() };
  /** A ping without a payload, at the end of what is written. */
  const PING = '\x89\x00';

  // Seen red with each sent at its own time: two writes, and two wake-ups of the peer, for each interval.
  for (const [pingIntervalMs, heartbeatIntervalMs] of [
    [120, 120],
    [120, 160],
    [160, 120],
  ] as const) {
    it(`of ${pingIntervalMs} and ${heartbeatIntervalMs} ms must come to share each write`, async () => {
      let draws = 0;
      const liveness = new Liveness({
        clock,
        // The first beats are as far apart as they can be.
        random: () => draws++ % 2,
        pingIntervalMs,
        pingTimeoutMs: 20,
        heartbeatIntervalMs,
        authTimeoutMs: 1000,
        position: () => 'e.1.t',
        mailboxPosition: () => null,
        positionOf: () => 'e.1.t',
        onAuthTimeout: () => undefined,
      });
      const writes: { readonly at: number; readonly text: string }[] = [];
      const socket = { bytesRead: 0 };
      const connection = {
        status: 'open',
        socket,
        ws: { isPaused: false },
        isOpen: () => true,
        isCongested: () => false,
        isHealthy: () => true,
        ownBeat: () => null,
        tokenNoticeAt: 0,
        tokenCloseAt: 0,
        write: (bytes: Buffer) => {
          writes.push({ at: clock.mono(), text: bytes.toString('latin1') });
          // Its pong comes at once.
          socket.bytesRead += 6;
        },
      } as unknown as Connection;
      liveness.start();
      liveness.watch(connection);
      try {
        await until(() => writes.length >= 12, { timeoutMs: 5000, what: 'some beats' });
      } finally {
        liveness.stop();
      }
      for (const { text } of writes.slice(-6)) {
        expect(text).to.include('"heartbeat"');
        expect(text.endsWith(PING)).to.equal(true);
      }
    });
  }
});
