import { setTimeout as pause } from 'node:timers/promises';
import { withTimeout } from '@unified-ws/server/util/withTimeout';
import { expect } from 'chai';

const HOURS_MS = 7_200_000;

describe('a wait with a deadline', () => {
  it('must end with the work, and leave no timer that keeps the process from its end', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    expect(await withTimeout(Promise.resolve('done'), HOURS_MS, 'late')).to.equal('done');
    let failure: unknown;
    await withTimeout(Promise.reject(new Error('broken')), HOURS_MS, 'late').catch((error: unknown) => {
      failure = error;
    });
    expect(failure).to.be.instanceOf(Error);
    expect(timers()).to.equal(before);
  });

  it('must end at the deadline, and work that fails later must not end the process', async () => {
    const work = pause(20).then(() => {
      throw new Error('too late to matter');
    });
    expect(await withTimeout(work, 1, 'late')).to.equal('late');
    // An unhandled rejection would fail the run.
    await pause(40);
  });
});
