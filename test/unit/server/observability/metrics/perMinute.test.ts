import { PerMinute } from '@unified-ws/server/observability/metrics/perMinute';
import { expect } from 'chai';

describe('a sum of the last minute', () => {
  it('neither counts what is older nor forgets what is younger', () => {
    let now = 1000;
    let sum = 0;
    const rate = new PerMinute({ mono: () => now, now: () => now }, () => sum);
    const pass = (seconds: number, by: number): void => {
      for (let second = 0; second < seconds; second += 5) {
        now += 5000;
        sum += by;
        rate.sample();
      }
    };
    sum = 7;
    expect(rate.read(), 'younger than a minute: since the start').to.equal(7);
    pass(30, 10);
    expect(rate.read()).to.equal(67);
    pass(300, 10);
    expect(rate.read(), 'twelve samples of ten').to.equal(120);
    pass(55, 0);
    expect(rate.read()).to.equal(10);
    pass(5, 0);
    expect(rate.read()).to.equal(0);
    now += 600_000;
    expect(rate.read(), 'after a pause of the process').to.equal(0);
  });
});
