import fc from 'fast-check';
import { fuzzRun } from './fuzzRun.js';

/**
 * A test of a property that holds for all values; it tries `runs` of them. The title names the seed, and a failure names the smallest value
 * that was found.
 */
export function holds<T>(title: string, values: fc.Arbitrary<T>, check: (value: T) => void, runs = 1000): void {
  const run = fuzzRun(runs);
  it(`${title} (${run.reported})`, function () {
    this.timeout(10_000 + run.runs * 100);
    fc.assert(fc.property(values, check), { seed: run.seed, numRuns: run.runs });
  });
}
