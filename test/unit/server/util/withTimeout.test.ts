import { setTimeout as pause } from 'node:timers/promises';
import { withTimeout } from '@unified-ws/server/util/withTimeout';
import { expect } from 'chai';

const HOURS_MS = 7_200_000;

describe('a wait with a deadline', () => {
  it('must end with the work, and leave no timer that keeps the process from its end', async () => {
    const { setTimeout: set, clearTimeout: clear } = globalThis;
    const running = new Set<unknown>();
    globalThis.setTimeout = ((...args: Parameters<typeof set>) => {
      const timer = set(...args);
      running.add(timer);
      return timer;
    }) as typeof set;
    globalThis.clearTimeout = (timer) => {
      running.delete(timer);
      clear(timer);
    };
    try {
      expect(await withTimeout(Promise.resolve('done'), HOURS_MS, 'late')).to.equal('done');
      const failure = await withTimeout(Promise.reject(new Error('broken')), HOURS_MS, 'late').catch(String);
      expect(failure).to.equal('Error: broken');
      expect(running.size).to.equal(0);
    } finally {
      Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
    }
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
