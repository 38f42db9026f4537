import { type Exploration, explore } from '../explore.js';
import { PublishModel } from './publishModel.js';
import {
  type Fault,
  type Invariant,
  rulesWithout,
  type Scenario,
  SHAPES,
  type Shape,
  type Switch,
  scenarioOf,
} from './scenario.js';

export interface Run extends Exploration {
  readonly tookMs: number;
}

export function run(scenario: Scenario, budget: number): Run {
  const startedAt = performance.now();
  const exploration = explore(new PublishModel(scenario), budget);
  return { ...exploration, tookMs: performance.now() - startedAt };
}

/** Where the loss of a rule shows soonest. */
export interface Demonstration {
  readonly shape: Shape;
  readonly faults: readonly Fault[];
  readonly invariant: Invariant;
}

export const DEMONSTRATIONS: Readonly<Record<Switch, Demonstration>> = {
  idleAsked: { shape: SHAPES.mixedOther, faults: [], invariant: 'overtaken' },
  askedAfterPublish: { shape: SHAPES.mixedOther, faults: [], invariant: 'overtaken' },
  unknownQueued: { shape: SHAPES.oneConnection, faults: ['cut'], invariant: 'lost' },
  sameId: { shape: SHAPES.oneConnection, faults: ['cut'], invariant: 'twice' },
  oneInFlight: { shape: SHAPES.oneConnection, faults: ['cut'], invariant: 'overtaken' },
  fenceAsked: { shape: SHAPES.oneConnection, faults: ['fence'], invariant: 'fenced' },
  idsByTime: { shape: SHAPES.twoNodes, faults: ['cut'], invariant: 'twice' },
};

export function demonstrate(off: Switch, budget: number): Run {
  const { shape, faults, invariant } = DEMONSTRATIONS[off];
  return run({ ...scenarioOf(shape, faults, rulesWithout(off)), invariant }, budget);
}
