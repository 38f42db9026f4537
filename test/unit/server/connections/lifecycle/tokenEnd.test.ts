import type { Identity } from '@unified-ws/server/auth/tokenVerifier';
import type { Connection } from '@unified-ws/server/connections/lifecycle/connection';
import { Liveness, type LivenessParts } from '@unified-ws/server/connections/lifecycle/liveness';
import { afterRefresh, tokenEnd } from '@unified-ws/server/connections/lifecycle/tokenEnd';
import { NO_AMENDMENT } from '@unified-ws/server/registry/store/amendment';
import { expect } from 'chai';
import { until } from '../../../../support/wait.js';

const TIMES = { tokenNoticeMs: 60_000, tokenGraceMs: 30_000 };

describe('the end of a token', () => {
  const good = (issuedAt: number, expiresAt: number): Identity =>
    ({ issuedAt, expiresAt }) as Partial<Identity> as Identity;
  const renewal = (since: number, by: number) => ({ ...NO_AMENDMENT, renewal: { since, by } });

  it('is its own, told a notice before and closed a grace after', () => {
    const end = tokenEnd(good(0, 3600), NO_AMENDMENT, TIMES);
    expect(end).to.deep.equal({ noticeAt: 3_540_000, endsAt: 3_600_000, closeAt: 3_630_000 });
  });

  it('of one that lives a minute must not be told as it comes, or the client would refresh in a circle', () => {
    expect(tokenEnd(good(1000, 1060), NO_AMENDMENT, TIMES).noticeAt).to.equal(1_030_000);
  });

  it('must not come before connects refuse the token: it would be let in and closed in turn', () => {
    expect(tokenEnd(good(0, 3600), NO_AMENDMENT, { ...TIMES, tokenGraceMs: 100 }).closeAt).to.equal(3_605_000);
  });

  it('comes with an order to replace it, unless its own comes first', () => {
    const token = good(0, 3600);
    const early = { noticeAt: 100_000, endsAt: 100_000, closeAt: 130_000 };
    expect(tokenEnd(token, renewal(100_000, 130_000), TIMES)).to.deep.equal(early);
    expect(tokenEnd(token, renewal(3_590_000, 3_700_000), TIMES).closeAt).to.equal(3_630_000);
    // In force since after its own end: what the client is told is never later than that.
    expect(tokenEnd(token, renewal(3_601_000, 3_620_000), TIMES).endsAt).to.equal(3_600_000);
  });

  it('that is near when the refresh is answered is told again half-way, not at once', () => {
    const end = tokenEnd(good(0, 3600), NO_AMENDMENT, TIMES);
    expect(afterRefresh(end, 1000)).to.equal(end);
    expect(afterRefresh(end, 3_590_000).noticeAt).to.equal(3_610_000);
    expect(afterRefresh(end, 3_640_000).noticeAt).to.equal(3_640_000);
  });
});

// Seen red with the end kept as monotonic time: a machine that was suspended for an hour keeps its sockets an hour longer.
describe('the liveness wheel', () => {
  it('a token must not outlive its end by a step of the clock', async () => {
    let wall = 1_000_000;
    const never = 1e12;
    const parts = {
      clock: { now: () => wall, mono: () => performance.now() },
      random: () => 0.5,
      pingIntervalMs: 100,
      pingTimeoutMs: never,
      heartbeatIntervalMs: never,
      authTimeoutMs: never,
    } as Partial<LivenessParts> as LivenessParts;
    const ends: number[] = [];
    const connection = {
      status: 'open',
      isOpen: () => ends.length === 0,
      send: () => undefined,
      end: (code: number) => ends.push(code),
      socket: { bytesRead: 0 },
      ws: { isPaused: true, ping: () => undefined },
      tokenNoticeAt: 0,
    } as unknown as Connection;
    const liveness = new Liveness(parts);
    liveness.start();
    try {
      liveness.endToken(connection, { noticeAt: 0, endsAt: wall + 3_600_000, closeAt: wall + 3_600_000 });
      liveness.watch(connection);
      wall += 3_600_000;
      await until(() => ends.length > 0, { what: 'the connection ends' });
      expect(ends).to.deep.equal([4101]);
    } finally {
      liveness.stop();
    }
  });
});
