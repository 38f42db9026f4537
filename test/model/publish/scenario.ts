export const EVENTS = [0, 1, 2] as const;
export const NODES = [0, 1] as const;

export const FAULTS = [
  /** The accepting node waits no longer for an answer; the script may still run. */
  'timeout',
  /** A script or an answer is lost with its link. */
  'cut',
  /** A node dies, with what waits in it. */
  'death',
  /** The worker dies; its job is delivered again. */
  'redelivery',
  'fence',
  'pause',
] as const;
export type Fault = (typeof FAULTS)[number];

export const INVARIANTS = {
  twice: 'L2: an event lies in the log twice',
  overtaken: 'Q3: an event lies in the log before one that was accepted before it was published',
  fenced: 'L2: a fenced node appends',
  lost: 'G3: at rest an accepted event is not in the log',
} as const;
export type Invariant = keyof typeof INVARIANTS;

const NAMES = Object.keys(INVARIANTS) as Invariant[];
export const Flaw = Object.freeze(Object.fromEntries(NAMES.map((name, index) => [name, index + 1]))) as Readonly<
  Record<Invariant, number>
>;
export function invariantOf(flaw: number): Invariant | undefined {
  return NAMES[flaw - 1];
}

/** The rules of the direct append that can be taken out, to see what each prevents. */
export const SWITCHES = {
  idleAsked: 'Q8: a direct append asks whether the lane is idle',
  askedAfterPublish: 'Q8: idleness that was seen before the publish began does not count',
  unknownQueued: 'Q8: an append whose outcome is unknown is queued before it counts as accepted',
  sameId: 'Q8: what is queued after an unknown outcome keeps its id',
  oneInFlight: 'Q8: a node has one direct append of a lane under way at a time',
  fenceAsked: 'Q8: a fenced node appends nothing directly',
  idsByTime: 'L2: an id is remembered by time, not by count',
} as const;
export type Switch = keyof typeof SWITCHES;
export type Rules = Readonly<Record<Switch, boolean>>;

export interface Shape {
  readonly name: string;
  /** By event: the node that it is published to. Events of one node are of one connection, in this order. */
  readonly nodes: readonly number[];
  /** By event: it must be queued, as one for several users is. */
  readonly queued: readonly boolean[];
  /** Lane and log lie in two Redis servers, or two shards: idleness is asked first, then the event is appended. */
  readonly apart: boolean;
}

const NEVER = [false, false, false];
const LAST = [false, true, false];

export const SHAPES = {
  oneConnection: { name: 'one connection', nodes: [0, 0, 0], queued: NEVER, apart: false },
  twoNodes: { name: 'two nodes', nodes: [0, 0, 1], queued: NEVER, apart: false },
  mixed: { name: 'two nodes, one is queued', nodes: [0, 0, 1], queued: LAST, apart: false },
  mixedOther: { name: 'two nodes, the other’s is queued', nodes: [0, 1, 0], queued: LAST, apart: false },
  apart: { name: 'two nodes, Redis apart', nodes: [0, 0, 1], queued: NEVER, apart: true },
  apartMixed: { name: 'one is queued, Redis apart', nodes: [0, 1, 0], queued: LAST, apart: true },
} as const satisfies Readonly<Record<string, Shape>>;

export interface Scenario {
  readonly shape: Shape;
  readonly rules: Rules;
  readonly faults: Readonly<Partial<Record<Fault, number>>>;
  /** Only this one is looked for. */
  readonly invariant?: Invariant;
}

/** All rules in force but the ones named. */
export function rulesWithout(...off: readonly Switch[]): Rules {
  const names = Object.keys(SWITCHES) as Switch[];
  return Object.fromEntries(names.map((name) => [name, !off.includes(name)])) as Rules;
}

export function scenarioOf(shape: Shape, faults: readonly Fault[], rules: Rules = rulesWithout()): Scenario {
  const counts: Partial<Record<Fault, number>> = {};
  for (const fault of faults) counts[fault] = (counts[fault] ?? 0) + 1;
  return { shape, rules, faults: counts };
}
