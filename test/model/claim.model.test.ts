import { expect } from 'chai';
import { combinations } from './combinations.js';
import { describeRun } from './report.js';
import {
  ALL_RULES,
  DEMONSTRATIONS,
  demonstrate,
  type Faults,
  type Run,
  run,
  SINGLE_FAULTS,
  scenarioOf,
} from './runs.js';
import { type Scenario, SHAPES, type Shape } from './scenario.js';
import { describeStep } from './steps.js';
import { REFINEMENTS, SWITCHES, type Switch } from './switches.js';

const PAIR_BUDGET = 60_000;
/** More than any single fault needs. */
const ENOUGH = 1_000_000;
/** The others are paired by `npm run model`. */
const PAIRED: Faults = ['pause', 'kill', 'loss', 'empty'];

/** What `npm run model` has time for: two on one node adds nothing to the fault of a shard, a longer lease matters where beats stop. */
function leftOut(shape: Shape, faults: Faults): boolean {
  if (shape === SHAPES.sharedNode) return faults.includes('shard');
  return shape === SHAPES.longerLease && !faults.includes('pause') && !faults.includes('cut');
}

function trace({ finding }: Run): string {
  const steps = finding?.trace.map(({ label }, step) => `${step} ${describeStep(label)}`) ?? [];
  return `${finding?.invariant}\n${steps.join('\n')}`;
}

function explored(faults: Faults, scenario: Scenario, budget: number): Run {
  const result = run(scenario, budget);
  console.log(`      ${describeRun(scenario.shape.name, faults, result)}`);
  expect(result.finding, trace(result)).to.equal(undefined);
  return result;
}

describe('the claim protocol, in every interleaving of three nodes and three claims', function () {
  this.timeout(600_000);

  for (const shape of Object.values(SHAPES)) {
    it(`never has two connections deliver, nor leaves the user with none: ${shape.name}, each fault alone`, () => {
      for (const faults of SINGLE_FAULTS) {
        if (leftOut(shape, faults)) continue;
        const { exhausted } = explored(faults, scenarioOf(shape, faults), ENOUGH);
        expect(exhausted, `${faults.join()} exhausted`).to.equal(true);
      }
    });
  }

  for (const shape of [SHAPES.different, SHAPES.sameDevice, SHAPES.mixed]) {
    it(`never has two connections deliver, nor leaves the user with none: ${shape.name}, pairs of faults`, () => {
      for (const faults of combinations(PAIRED, 2)) explored(faults, scenarioOf(shape, faults), PAIR_BUDGET);
    });
  }

  it('strands nobody when the replaced list is full', () => {
    for (const faults of [[], ['kill'], ['kick']] as const) {
      explored(faults, { ...scenarioOf(SHAPES.different, faults, ALL_RULES), replacedMax: 1 }, ENOUGH);
    }
  });

  for (const [off, meaning] of Object.entries({ ...SWITCHES, ...REFINEMENTS }) as [Switch, string][]) {
    const { shape, faults, invariant } = DEMONSTRATIONS[off];
    it(`falls with ${invariant} without ${off}: ${meaning}`, () => {
      const result = demonstrate(off, ENOUGH);
      console.log(`      ${describeRun(shape.name, faults, result)}`);
      expect(result.finding?.invariant).to.equal(invariant);
    });
  }
});
