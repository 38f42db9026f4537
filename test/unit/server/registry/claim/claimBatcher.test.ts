import { ClaimBatcher } from '@unified-ws/server/registry/claim/claimBatcher';
import { expect } from 'chai';
import { until } from '../../../../support/wait.js';

describe('the window of claims', () => {
  let time = 0;
  let batches: number[][] = [];
  const clock = { now: () => time, mono: () => time };
  const open = (): ClaimBatcher<number> => {
    time = 0;
    batches = [];
    return new ClaimBatcher<number>(clock, (batch) => batches.push([...batch]));
  };
  const written = (): number[] => batches.flat();

  it('a claim outside of a storm must not wait, or every connect pays for storms', () => {
    const batcher = open();
    for (let i = 0; i < 20; i += 1) {
      time += 2;
      batcher.add(i);
      expect(written(), 'written in its own turn').to.have.length(i + 1);
    }
  });

  it('the claims of a storm must go together and in order, or each is a system call of its own', async () => {
    const batcher = open();
    for (let i = 0; i < 100; i += 1) batcher.add(i);
    await until(() => written().length === 100, { what: 'all are written' });
    expect(written()).to.deep.equal(Array.from({ length: 100 }, (_, i) => i));
    expect(batches.at(-1)).to.have.length.greaterThan(90);
  });

  it('the end of a storm must be noticed, or the claims after it wait for nobody', async () => {
    const batcher = open();
    for (let i = 0; i < 10; i += 1) batcher.add(i);
    await until(() => written().length === 10, { what: 'the storm is written' });
    // A window that is not filled ends the storm; until then one more may wait.
    await until(
      () => {
        time += 10;
        const before = written().length;
        batcher.add(0);
        return written().length === before + 1;
      },
      { what: 'a claim goes at once again' },
    );
  });

  it('a batch must have a bound, or a script gets more arguments than Redis takes', () => {
    const batcher = open();
    for (let i = 0; i < 2500; i += 1) batcher.add(i);
    expect(Math.max(...batches.map((batch) => batch.length))).to.equal(1000);
    expect(written()).to.have.length.at.least(2000);
  });
});
