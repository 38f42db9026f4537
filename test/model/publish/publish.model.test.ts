import { expect } from 'chai';
import { combinations } from '../combinations.js';
import { describeRun } from '../report.js';
import { describePublishStep } from './publishModel.js';
import { DEMONSTRATIONS, demonstrate, type Run, run } from './runs.js';
import { FAULTS, SHAPES, SWITCHES, type Switch, scenarioOf } from './scenario.js';

/** More than any run here needs. */
const ENOUGH = 2_000_000;

function trace({ finding }: Run): string {
  const steps = finding?.trace.map(({ label }, step) => `${step} ${describePublishStep(label)}`) ?? [];
  return `${finding?.invariant}\n${steps.join('\n')}`;
}

describe('the direct append, in every interleaving of two nodes, the queue, its worker and the log', function () {
  this.timeout(600_000);

  for (const shape of Object.values(SHAPES)) {
    it(`loses nothing, appends nothing twice and lets nothing overtake: ${shape.name}, up to three faults`, () => {
      for (const count of [0, 1, 2, 3]) {
        for (const faults of combinations(FAULTS, count)) {
          const result = run(scenarioOf(shape, faults), ENOUGH);
          expect(result.finding, trace(result)).to.equal(undefined);
          expect(result.exhausted, `${faults.join()} exhausted`).to.equal(true);
        }
      }
    });
  }

  for (const [off, meaning] of Object.entries(SWITCHES) as [Switch, string][]) {
    const { shape, faults, invariant } = DEMONSTRATIONS[off];
    it(`falls (${invariant}) without ${off}: ${meaning}`, () => {
      const result = demonstrate(off, ENOUGH);
      console.log(`      ${describeRun(shape.name, faults, result)}`);
      expect(result.finding?.invariant).to.equal(invariant);
    });
  }
});
