import { ConnectRate, type ConnectStage } from '@unified-ws/server/connections/limits/connectRate';
import { systemClock } from '@unified-ws/server/util/clock';
import { expect } from 'chai';
import { until } from '../../../../support/wait.js';

/** So many come before the rate limits them, at most: what a machine takes in a moment. */
const AT_ONCE = 100;
/** What a connect takes of the event loop. */
const COST_MS = 0.5;

describe('the rate of connects', function () {
  this.timeout(20_000);
  const errors: unknown[] = [];
  let rates: ConnectRate[] = [];

  afterEach(() => {
    for (const rate of rates) rate.stop();
    rates = [];
    expect(errors.splice(0)).to.deep.equal([]);
  });

  /** @param use share of the event loop's time that is in use. */
  function rateAt(use: number): ConnectRate {
    const report = (error: unknown): void => void errors.push(error);
    const rate = new ConnectRate({ clock: systemClock, random: () => 0.5, report, use: () => use });
    rates.push(rate);
    return rate;
  }

  /** How many of an endless number run within the time. */
  async function taken(rate: ConnectRate, ms: number): Promise<number> {
    let ran = 0;
    const connect = (): void => {
      const until = systemClock.mono() + COST_MS;
      while (systemClock.mono() < until);
      ran += 1;
    };
    const endAt = systemClock.mono() + ms;
    const refill = setInterval(() => {
      while (rate.size < 100) rate.admit('upgrade', connect);
    }, 5);
    await until(() => systemClock.mono() >= endAt, { timeoutMs: 2 * ms + 5000, what: 'the time is over' });
    clearInterval(refill);
    return ran;
  }

  it('a storm must not be worked on in one go, and each has its turn in the order of arrival', async () => {
    const rate = rateAt(0.5);
    const ran: number[] = [];
    for (let n = 0; n < 600; n += 1) expect(rate.admit('upgrade', () => ran.push(n))).to.equal(0);
    expect(ran.length).to.be.within(1, AT_ONCE);
    await until(() => ran.length === 600, { timeoutMs: 10_000, what: 'all have run' });
    expect(ran).to.deep.equal(Array.from({ length: 600 }, (_, n) => n));
  });

  it('a busy event loop must not take as many as an idle one, and must still take some', async () => {
    const busy = await taken(rateAt(1), 1500);
    const idle = await taken(rateAt(0.1), 1500);
    expect(busy).to.be.above(20);
    expect(idle).to.be.above(1.5 * busy);
  });

  it('who would wait for long must be told when to come back, and not all the same time', () => {
    const rate = rateAt(1);
    const hints: number[] = [];
    while (hints.length < 3000) {
      const retryMs = rate.admit('upgrade', () => undefined);
      if (retryMs > 0) hints.push(retryMs);
    }
    expect(Math.min(...hints)).to.be.above(1000);
    expect(Math.max(...hints)).to.be.at.most(20_000);
    const perSecond = new Map<number, number>();
    for (const hint of hints) perSecond.set(Math.ceil(hint / 1000), (perSecond.get(Math.ceil(hint / 1000)) ?? 0) + 1);
    // No second brings more than the node takes at its first rate, and half of that because the hints are stretched.
    expect(Math.max(...perSecond.values())).to.be.below(1500);
    expect(perSecond.size).to.be.at.least(3);
  });

  it('a token that came as a first message must not wait behind upgrades: more was spent on its connection', async () => {
    const rate = rateAt(0.5);
    const ran: ConnectStage[] = [];
    for (let n = 0; n < 300; n += 1) rate.admit('upgrade', () => ran.push('upgrade'));
    rate.admit('authenticate', () => ran.push('authenticate'));
    await until(() => ran.includes('authenticate'), { what: 'it has run' });
    expect(ran.indexOf('authenticate')).to.be.at.most(AT_ONCE);
  });

  it('those who wait when the node ends must have their turn, in which they are refused', () => {
    const rate = rateAt(0.5);
    let ran = 0;
    const count = (): void => {
      ran += 1;
    };
    for (let n = 0; n < 300; n += 1) rate.admit('upgrade', count);
    rate.stop();
    expect(ran).to.equal(300);
  });

  it('one whose turn throws must not keep the others from theirs', async () => {
    const rate = rateAt(0.5);
    let ran = 0;
    const count = (): void => {
      ran += 1;
    };
    for (let n = 0; n < 300; n += 1) rate.admit('upgrade', count);
    rate.admit('upgrade', () => {
      throw new Error('of one');
    });
    rate.admit('upgrade', count);
    await until(() => ran === 301, { what: 'all others have run' });
    expect(errors.splice(0).map(String)).to.deep.equal(['Error: of one']);
  });
});
