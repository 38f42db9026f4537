import { ClaimModel } from './claimModel.js';
import { type Exploration, explore } from './explore.js';
import type { Invariant } from './invariants.js';
import { type Scenario, SHAPES, type Shape } from './scenario.js';
import { type Rules, rulesWithout, type Switch } from './switches.js';
import { FAULTS, type Fault } from './vocabulary.js';

/** Faults that happen in one run, each as often as it is named. */
export type Faults = readonly Fault[];

export const ALL_RULES: Rules = rulesWithout();

export const SINGLE_FAULTS: readonly Faults[] = [[], ...FAULTS.map((fault) => [fault])];

export function scenarioOf(shape: Shape, faults: Faults, rules: Rules = ALL_RULES): Scenario {
  const counts: Partial<Record<Fault, number>> = {};
  for (const fault of faults) counts[fault] = (counts[fault] ?? 0) + 1;
  return { shape, rules, faults: counts };
}

export interface Run extends Exploration {
  readonly tookMs: number;
}

export function run(scenario: Scenario, budget: number): Run {
  const startedAt = performance.now();
  const exploration = explore(new ClaimModel(scenario), budget);
  return { ...exploration, tookMs: performance.now() - startedAt };
}

/** Where the loss of a rule shows soonest. */
export interface Demonstration {
  readonly shape: Shape;
  readonly faults: Faults;
  readonly invariant: Invariant;
  /** Rules that prevent the same by themselves, and are out too. */
  readonly also?: readonly Switch[];
}

export const DEMONSTRATIONS: Readonly<Record<Switch, Demonstration>> = {
  C1: { shape: SHAPES.different, faults: [], invariant: 'I1' },
  C2: { shape: SHAPES.different, faults: [], invariant: 'I1' },
  C3: { shape: SHAPES.different, faults: ['kill'], invariant: 'I3' },
  C4: { shape: SHAPES.different, faults: ['empty'], invariant: 'I2' },
  C5: { shape: SHAPES.sameDevice, faults: [], invariant: 'I5' },
  C6: { shape: SHAPES.different, faults: ['pause'], invariant: 'I1' },
  C12: { shape: SHAPES.different, faults: ['pause'], invariant: 'I1' },
  kickReplaces: { shape: SHAPES.different, faults: ['kick'], invariant: 'I1' },
  attemptOutranksFence: { shape: SHAPES.sameDevice, faults: ['empty'], invariant: 'I5' },
  attemptsRemembered: { shape: SHAPES.mixed, faults: [], invariant: 'I5' },
  deadOutranks: { shape: SHAPES.different, faults: ['pause'], invariant: 'I2' },
  ownFenceStays: { shape: SHAPES.different, faults: ['cut'], invariant: 'I2' },
  unsettledWaits: { shape: SHAPES.mixed, faults: ['empty'], invariant: 'I1' },
  deadAreWarned: { shape: SHAPES.different, faults: ['freeze'], invariant: 'I1', also: ['timeHeard'] },
  timeHeard: { shape: SHAPES.different, faults: ['freeze', 'loss'], invariant: 'I1' },
  leaseBinds: { shape: SHAPES.mixed, faults: ['empty', 'pause'], invariant: 'I1' },
  interruptionCloses: { shape: SHAPES.different, faults: ['deaf'], invariant: 'I1' },
  confirmedIsGone: { shape: SHAPES.different, faults: ['shard'], invariant: 'I2' },
  shardMark: { shape: SHAPES.different, faults: ['shard'], invariant: 'I1' },
  peerLeaseTime: { shape: SHAPES.longerLease, faults: ['pause'], invariant: 'I1' },
};

export function demonstrate(off: Switch, budget: number): Run {
  const { shape, faults, invariant, also = [] } = DEMONSTRATIONS[off];
  return run({ ...scenarioOf(shape, faults, rulesWithout(off, ...also)), invariant }, budget);
}
