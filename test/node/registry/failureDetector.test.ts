import { ENDED, FailureDetector } from '@unified-ws/server/registry/nodes/failureDetector';
import { expect } from 'chai';

/** LEASE_TTL_MS. */
const TTL = 5000;
/** A lease is dead after this, by the failure detector's own clock. */
const PATIENCE = TTL + 1000;

describe('the state of leases by their beats (C9)', () => {
  let failureDetector: FailureDetector;
  let now: number;
  beforeEach(() => {
    failureDetector = new FailureDetector(TTL);
    now = 1_000_000;
  });

  const beats = (entries: Readonly<Record<string, string>>): void => {
    failureDetector.observe(new Map(Object.entries(entries)), now, now);
  };
  /** Time passes, the beats are read each second. */
  const pass = (ms: number, read: (second: number) => Readonly<Record<string, string>>): void => {
    const end = now + ms;
    for (let second = 1; now < end; second += 1) {
      now = Math.min(end, now + 1000);
      beats(read(second));
    }
  };

  it('a lease that beats must never be called dead, however odd its beats are', () => {
    beats({ a: '7' });
    pass(60_000, (second) => ({ a: second % 2 === 0 ? '-1' : '99999999999999999999' }));
    expect(failureDetector.isDead('a')).to.equal(false);
    expect(failureDetector.live()).to.deep.equal(['a']);
  });

  it('a lease that stands still must be dead after the patience, and not a moment earlier', () => {
    beats({ a: '7', b: '1' });
    pass(PATIENCE - 1, (second) => ({ a: '7', b: `${second + 1}` }));
    expect(failureDetector.dead()).to.deep.equal([]);
    pass(1, () => ({ a: '7', b: 'x' }));
    expect(failureDetector.dead()).to.deep.equal(['a']);
    expect(failureDetector.live()).to.deep.equal(['b']);
  });

  it('a time in the beat must prove nothing: after a fail-over to a skewed clock everybody would be dead', () => {
    const longAgo = String(now - 3_600_000);
    beats({ a: longAgo });
    pass(PATIENCE - 1, () => ({ a: longAgo }));
    expect(failureDetector.isDead('a')).to.equal(false);
  });

  it('a node that just started must call nobody dead for a whole patience', () => {
    now += 10 * PATIENCE;
    beats({ old: '7' });
    expect(failureDetector.isDead('old')).to.equal(false);
    pass(PATIENCE - 1, () => ({ old: '7' }));
    expect(failureDetector.isDead('old')).to.equal(false);
  });

  it('after a broken link of its own it must start anew, or the first node back reaps everybody (C11)', () => {
    beats({ a: '7' });
    now += 60_000;
    failureDetector.reset();
    beats({ a: '7' });
    expect(failureDetector.dead()).to.deep.equal([]);
    pass(PATIENCE - 1, () => ({ a: '7' }));
    expect(failureDetector.dead()).to.deep.equal([]);
    pass(1, () => ({ a: '7' }));
    expect(failureDetector.dead()).to.deep.equal(['a']);
    failureDetector.reset();
    expect(failureDetector.dead(), 'what was known before the break is not known now').to.deep.equal([]);
  });

  it('a dead lease that beats again must be alive again', () => {
    beats({ a: '7' });
    pass(PATIENCE, () => ({ a: '7' }));
    expect(failureDetector.isDead('a')).to.equal(true);
    pass(1000, () => ({ a: '8' }));
    expect(failureDetector.isDead('a')).to.equal(false);
    pass(PATIENCE - 1, () => ({ a: '8' }));
    expect(failureDetector.isDead('a'), 'with a whole patience from there').to.equal(false);
  });

  // Seen red with one time for all: a node that a deploy gave a longer lease was called dead while it delivered.
  it('a lease must be checked by the time of its own node, and by that of the failure detector where it is not known', () => {
    const ttls: Readonly<Record<string, number>> = { longer: 20_000, shorter: 3000 };
    failureDetector = new FailureDetector(TTL, (lease) => ttls[lease]);
    const still = { longer: '1', shorter: '1', unknown: '1' };
    beats(still);
    pass(4000 - 1, () => still);
    expect(failureDetector.dead()).to.deep.equal([]);
    pass(1, () => still);
    expect(failureDetector.dead()).to.deep.equal(['shorter']);
    pass(PATIENCE - 4000, () => still);
    expect(failureDetector.dead()).to.deep.equal(['shorter', 'unknown']);
    pass(21_000 - 1 - PATIENCE, () => still);
    expect(failureDetector.isDead('longer')).to.equal(false);
    pass(1, () => still);
    expect(failureDetector.isDead('longer')).to.equal(true);
    expect(['longer', 'shorter', 'unknown'].map((lease) => failureDetector.patienceMs(lease))).to.deep.equal([
      21_000, 4000, 6000,
    ]);
  });

  it('a node that said that it has ended must not be waited for', () => {
    beats({ a: '7' });
    pass(1000, () => ({ a: ENDED }));
    expect(failureDetector.isDead('a')).to.equal(true);
    expect(failureDetector.live()).to.deep.equal([]);
  });

  it('leases that Redis forgot must be given the patience to come back, not be dead at once', () => {
    beats({ a: '7', b: '7' });
    pass(PATIENCE - 1, () => ({}));
    expect(failureDetector.dead()).to.deep.equal([]);
    pass(1000, () => ({ b: '8' }));
    expect(failureDetector.isDead('b')).to.equal(false);
    pass(1000, () => ({ b: '9' }));
    expect(failureDetector.dead()).to.deep.equal(['a']);
  });

  it('a lease that only an entry names must be watched, or its users wait for ever', () => {
    failureDetector.watch('stranger', now);
    beats({ a: '1' });
    expect(failureDetector.isDead('stranger')).to.equal(false);
    pass(PATIENCE, (second) => ({ a: `${second + 1}` }));
    expect(failureDetector.isDead('stranger')).to.equal(true);
    failureDetector.watch('a', now);
    expect(failureDetector.isDead('a')).to.equal(false);
  });

  it('housekeeping must be told of the long dead alone', () => {
    beats({ a: '7', b: '7' });
    pass(PATIENCE, (second) => ({ a: '7', b: `b${second}` }));
    expect(failureDetector.deadFor(60_000, now)).to.deep.equal([]);
    pass(60_000 - PATIENCE, (second) => ({ a: '7', b: `c${second}` }));
    expect(failureDetector.deadFor(60_000, now)).to.deep.equal(['a']);
  });

  it('the list of the dead must not grow for as long as the node lives', () => {
    for (let n = 0; n < 100; n += 1) {
      beats({ [`gone-${n}`]: '1' });
      pass(1000, () => ({}));
    }
    pass(PATIENCE, () => ({}));
    expect(failureDetector.dead()).to.have.length(100);
    for (let n = 0; n < 120; n += 1) {
      now += PATIENCE;
      beats({});
    }
    expect(failureDetector.dead()).to.deep.equal([]);
  });
});
