import { type Exploration, explore } from '../explore.js';
import { BroadcastModel } from './broadcastModel.js';
import { describeBroadcastStep } from './broadcastSteps.js';
import { MailboxModel } from './mailboxModel.js';
import { describeMailboxStep } from './mailboxSteps.js';
import type { ProgressModel } from './rest.js';
import { BROADCAST_SHAPES, MAILBOX_SHAPES, type Scenario, type Shape } from './scenario.js';
import { REFINEMENTS, type Rules, rulesWithout, SWITCHES, type Switch } from './switches.js';
import type { Fault, Invariant } from './vocabulary.js';

export type Scope = 'user' | 'broadcast';
export type Faults = readonly Fault[];

/** The faults that a scope knows. */
export const FAULTS_OF: Readonly<Record<Scope, Faults>> = {
  user: ['loss', 'repeat', 'death', 'cut', 'pause', 'kill', 'empty', 'failover', 'shard', 'forget', 'forge'],
  broadcast: ['loss', 'repeat', 'cut', 'kill', 'empty', 'failover', 'shard', 'forget', 'congestion'],
};

export const SHAPES_OF: Readonly<Record<Scope, readonly Shape[]>> = {
  user: Object.values(MAILBOX_SHAPES),
  broadcast: Object.values(BROADCAST_SHAPES),
};

const ALL_RULES: Rules = rulesWithout();
export const ALL_SWITCHES = Object.entries({ ...SWITCHES, ...REFINEMENTS }) as [Switch, string][];

export function scenarioOf(shape: Shape, faults: Faults, rules: Rules = ALL_RULES): Scenario {
  const counts: Partial<Record<Fault, number>> = {};
  for (const fault of faults) counts[fault] = (counts[fault] ?? 0) + 1;
  return { shape, rules, faults: counts };
}

export function modelOf(scope: Scope, scenario: Scenario): ProgressModel {
  return scope === 'user' ? new MailboxModel(scenario) : new BroadcastModel(scenario);
}

export function describeStep(scope: Scope, label: number): string {
  return scope === 'user' ? describeMailboxStep(label) : describeBroadcastStep(label);
}

export interface Run extends Exploration {
  readonly tookMs: number;
}

export function run(scope: Scope, scenario: Scenario, budget: number): Run {
  const startedAt = performance.now();
  const exploration = explore(modelOf(scope, scenario), budget);
  return { ...exploration, tookMs: performance.now() - startedAt };
}

/** Where the loss of a rule shows soonest. */
export interface Demonstration {
  readonly scope: Scope;
  readonly shape: Shape;
  readonly faults: Faults;
  readonly invariant: Invariant;
}

const { reconnects, devices, small } = MAILBOX_SHAPES;
const { moves, returns, oneNode, ahead, aheadByOne } = BROADCAST_SHAPES;

/** Rules that both scopes need are taken out of each. */
export const DEMONSTRATIONS: Readonly<Record<Switch, readonly Demonstration[]>> = {
  L1: [
    { scope: 'user', shape: reconnects, faults: ['empty'], invariant: 'behind' },
    { scope: 'broadcast', shape: moves, faults: ['empty'], invariant: 'hole' },
  ],
  L2: [{ scope: 'user', shape: reconnects, faults: ['death'], invariant: 'twice' }],
  L3: [{ scope: 'user', shape: reconnects, faults: [], invariant: 'behind' }],
  L4: [
    { scope: 'user', shape: reconnects, faults: ['loss'], invariant: 'behind' },
    { scope: 'broadcast', shape: moves, faults: ['loss'], invariant: 'behind' },
  ],
  L5: [{ scope: 'broadcast', shape: moves, faults: [], invariant: 'hole' }],
  L8: [{ scope: 'user', shape: devices, faults: [], invariant: 'acked' }],
  tagsCompared: [
    { scope: 'user', shape: reconnects, faults: ['shard'], invariant: 'behind' },
    { scope: 'broadcast', shape: ahead, faults: ['shard'], invariant: 'behind' },
  ],
  tagsJoin: [{ scope: 'broadcast', shape: aheadByOne, faults: ['shard'], invariant: 'hole' }],
  goneIsReported: [{ scope: 'broadcast', shape: oneNode, faults: ['shard'], invariant: 'hole' }],
  aheadIsChecked: [{ scope: 'broadcast', shape: ahead, faults: ['shard'], invariant: 'behind' }],
  movedWhileReading: [{ scope: 'broadcast', shape: ahead, faults: [], invariant: 'behind' }],
  joinsAtWritten: [{ scope: 'broadcast', shape: ahead, faults: [], invariant: 'repeat' }],
  decidedByRedis: [{ scope: 'broadcast', shape: ahead, faults: [], invariant: 'needless' }],
  positionIsOwn: [{ scope: 'broadcast', shape: returns, faults: [], invariant: 'repeat' }],
  liveFollows: [{ scope: 'user', shape: reconnects, faults: [], invariant: 'hole' }],
  oldIsDropped: [{ scope: 'user', shape: reconnects, faults: ['repeat'], invariant: 'repeat' }],
  heardWhileReading: [{ scope: 'user', shape: reconnects, faults: [], invariant: 'behind' }],
  duplicateReported: [{ scope: 'user', shape: reconnects, faults: ['death'], invariant: 'behind' }],
  headAfterLease: [{ scope: 'user', shape: reconnects, faults: ['pause'], invariant: 'behind' }],
  ackSent: [{ scope: 'user', shape: reconnects, faults: ['forge'], invariant: 'acked' }],
  ackIgnored: [{ scope: 'user', shape: reconnects, faults: ['empty'], invariant: 'acked' }],
  ackTagged: [{ scope: 'user', shape: reconnects, faults: ['shard'], invariant: 'acked' }],
  ackedIsReported: [{ scope: 'user', shape: devices, faults: [], invariant: 'hole' }],
  trimIsReported: [
    { scope: 'user', shape: small, faults: [], invariant: 'hole' },
    { scope: 'broadcast', shape: oneNode, faults: [], invariant: 'hole' },
  ],
};

export function demonstrate(off: Switch, { scope, shape, faults, invariant }: Demonstration, budget: number): Run {
  return run(scope, { ...scenarioOf(shape, faults, rulesWithout(off)), invariant }, budget);
}
