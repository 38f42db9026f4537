import { expect } from 'chai';
import { combinations } from '../combinations.js';
import { describeRun } from '../report.js';
import { restless } from './rest.js';
import {
  ALL_SWITCHES,
  DEMONSTRATIONS,
  demonstrate,
  describeStep,
  FAULTS_OF,
  type Faults,
  modelOf,
  type Run,
  run,
  type Scope,
  scenarioOf,
} from './runs.js';
import { BROADCAST_SHAPES, MAILBOX_SHAPES, type Shape } from './scenario.js';
import type { Fault } from './vocabulary.js';

/** More than any run here needs. */
const ENOUGH = 1_000_000;
const PAIR_BUDGET = 20_000;

const MAILBOX_ROUNDS: readonly (readonly [Shape, readonly Faults[]])[] = [
  [MAILBOX_SHAPES.reconnects, singles('user', 'pause', 'failover', 'shard')],
  [MAILBOX_SHAPES.brief, [['pause'], ['failover'], ['shard']]],
  [MAILBOX_SHAPES.devices, [[]]],
  [MAILBOX_SHAPES.small, [[], ['loss']]],
  [MAILBOX_SHAPES.smallAcked, [[], ['forget']]],
];
const BROADCAST_ROUNDS: readonly (readonly [Shape, readonly Faults[]])[] = [
  [BROADCAST_SHAPES.moves, [[]]],
  [BROADCAST_SHAPES.brief, singles('broadcast', 'failover')],
  [BROADCAST_SHAPES.ahead, singles('broadcast')],
  [BROADCAST_SHAPES.aheadByOne, singles('broadcast')],
  [BROADCAST_SHAPES.returns, [[], ['forget'], ['congestion']]],
  [BROADCAST_SHAPES.oneNode, [[], ['loss'], ['cut']]],
];

/** No fault, and each of the scope's alone; `npm run model` has time for the ones left out. */
function singles(scope: Scope, ...leftOut: readonly Fault[]): Faults[] {
  return [[], ...FAULTS_OF[scope].filter((fault) => !leftOut.includes(fault)).map((fault) => [fault])];
}

function trace(scope: Scope, { finding }: Run): string {
  const steps = finding?.trace.map(({ label }, step) => `${step} ${describeStep(scope, label)}`) ?? [];
  return `${finding?.invariant}\n${steps.join('\n')}`;
}

function explored(scope: Scope, shape: Shape, faults: Faults, budget: number): Run {
  const result = run(scope, scenarioOf(shape, faults), budget);
  console.log(`      ${describeRun(shape.name, faults, result)}`);
  expect(result.finding, trace(scope, result)).to.equal(undefined);
  return result;
}

function rounds(scope: Scope, list: readonly (readonly [Shape, readonly Faults[]])[]): void {
  for (const [shape, all] of list) {
    it(`leaves no hole, sends nothing twice and leaves nobody behind: ${shape.name}, each fault alone`, () => {
      for (const faults of all) {
        const { exhausted } = explored(scope, shape, faults, ENOUGH);
        expect(exhausted, `${faults.join()} exhausted`).to.equal(true);
      }
    });
  }
}

describe('the mailbox, in every interleaving of appends, claims, live messages, replay and acknowledgements', function () {
  this.timeout(600_000);

  rounds('user', MAILBOX_ROUNDS);

  it('leaves no hole, sends nothing twice and leaves nobody behind: pairs of faults', () => {
    for (const faults of combinations<Fault>(['loss', 'death', 'pause', 'empty', 'shard'], 2)) {
      explored('user', MAILBOX_SHAPES.reconnects, faults, PAIR_BUDGET);
    }
  });
});

describe('the broadcast log, in every interleaving of appends, two nodes and a client that moves between them', function () {
  this.timeout(600_000);

  rounds('broadcast', BROADCAST_ROUNDS);

  it('leaves no hole, sends nothing twice and leaves nobody behind: pairs of faults', () => {
    for (const faults of combinations<Fault>(['loss', 'cut', 'congestion', 'empty', 'shard'], 2)) {
      explored('broadcast', BROADCAST_SHAPES.ahead, faults, PAIR_BUDGET);
    }
  });
});

describe('log and mailbox', function () {
  this.timeout(600_000);

  const RESTING: readonly (readonly [Scope, Shape, Faults])[] = [
    ['user', MAILBOX_SHAPES.brief, []],
    ['user', MAILBOX_SHAPES.brief, ['loss']],
    ['user', MAILBOX_SHAPES.brief, ['empty']],
    ['broadcast', BROADCAST_SHAPES.ahead, ['loss']],
    ['broadcast', BROADCAST_SHAPES.ahead, ['shard']],
    ['broadcast', BROADCAST_SHAPES.brief, ['cut']],
  ];
  it('come to rest from every state: no read that is repeated for ever', () => {
    for (const [scope, shape, faults] of RESTING) {
      const result = restless(modelOf(scope, scenarioOf(shape, faults)));
      expect(result.restless, `${shape.name}, ${faults.join()}: of ${result.states} states`).to.equal(0);
    }
  });

  for (const [off, meaning] of ALL_SWITCHES) {
    for (const demonstration of DEMONSTRATIONS[off]) {
      const { scope, shape, faults, invariant } = demonstration;
      it(`fall (${invariant}, ${scope}) without ${off}: ${meaning}`, () => {
        const result = demonstrate(off, demonstration, ENOUGH);
        console.log(`      ${describeRun(shape.name, faults, result)}`);
        expect(result.finding?.invariant).to.equal(invariant);
      });
    }
  }
});
