import { RateLimit } from '@unified-ws/server/delivery/selection/rateLimit';
import { expect } from 'chai';

describe('the message rate of a connection', () => {
  it('must hold over any second, however the events come', () => {
    const limit = new RateLimit(50);
    const taken: number[] = [];
    for (let now = 0; now < 5000; now += 1) if (limit.take(now)) taken.push(now);
    for (const start of taken) {
      const within = taken.filter((at) => at >= start && at < start + 1000).length;
      expect(within).to.be.at.most(55);
    }
    expect(taken.length).to.be.at.least(250);
  });

  it('of 1 a second must not be none: a bucket without room for one event never fills', () => {
    const limit = new RateLimit(1);
    expect(limit.take(0)).to.equal(true);
    expect(limit.take(999)).to.equal(false);
    expect(limit.retryAfterMs(999)).to.equal(1);
    expect(limit.take(1000)).to.equal(true);
  });

  it('a timer set by retryAfterMs must find a token, or it is set again and again', () => {
    for (const rate of [1, 3, 7, 60, 333, 9999]) {
      const limit = new RateLimit(rate);
      let now = 0.25;
      while (limit.take(now)) now += 0.01;
      expect(limit.take(now + limit.retryAfterMs(now)), `rate ${rate}`).to.equal(true);
    }
  });

  it('a client in a storm is told once a second, with everything that was dropped meanwhile', () => {
    const limit = new RateLimit(10);
    expect(limit.notice(0), 'nothing was held back').to.equal(null);
    limit.take(0);
    limit.drop();
    expect(limit.notice(0)).to.deep.equal({ retry_after_ms: 100, dropped: 1 });
    limit.drop(3);
    expect(limit.notice(999)).to.equal(null);
    limit.drop();
    expect(limit.notice(1000)).to.deep.equal({ retry_after_ms: 0, dropped: 4 });
    expect(limit.notice(2500)).to.equal(null);
  });
});
