import type { Invariant } from './invariants.js';
import type { Rules } from './switches.js';
import type { Fault } from './vocabulary.js';

/** Who the three connections belong to, and on which node each arrives. */
export interface Shape {
  readonly name: string;
  /** Client (SDK instance) of each connection; its attempts are numbered in this order and arrive in any. */
  readonly clients: readonly [string, string, string];
  readonly nodes: readonly [number, number, number];
  /** This node has a longer lease than the others: a right that stands when theirs would be over. */
  readonly longerLease?: number;
}

export interface Scenario {
  readonly shape: Shape;
  readonly rules: Rules;
  /** How often each fault may happen. */
  readonly faults: Readonly<Partial<Record<Fault, number>>>;
  /** Longest replaced list that claim.lua accepts; default: never reached. */
  readonly replacedMax?: number;
  /** Look for violations of this invariant alone. */
  readonly invariant?: Invariant;
}

export const SHAPES = {
  different: { name: '[A,B,C]', clients: ['A', 'B', 'C'], nodes: [0, 1, 2] },
  sameDevice: { name: '[A,A,A]', clients: ['A', 'A', 'A'], nodes: [0, 1, 2] },
  mixed: { name: '[A,B,B]', clients: ['A', 'B', 'B'], nodes: [0, 1, 2] },
  sharedNode: { name: '[A,B,C], two on one node', clients: ['A', 'B', 'C'], nodes: [0, 1, 0] },
  longerLease: { name: '[A,B,C], n0 with longer lease', clients: ['A', 'B', 'C'], nodes: [0, 1, 2], longerLease: 0 },
} as const satisfies Record<string, Shape>;

/** A scenario with what the steps ask of it in every state worked out once. */
export class World {
  readonly rules: Rules;
  readonly replacedMax: number;
  /** The user's shard may forget a claim while its claimer goes on. */
  readonly mayForgetAlone: boolean;
  /** Some client has several attempts. */
  readonly attempts: boolean;
  /** Connections and nodes may be renamed into the order of arrival. */
  readonly symmetric: boolean;
  private readonly same: readonly boolean[];
  private readonly nodes: readonly number[];

  constructor(readonly scenario: Scenario) {
    const { clients, nodes, longerLease } = scenario.shape;
    this.rules = scenario.rules;
    this.replacedMax = scenario.replacedMax ?? 8;
    this.mayForgetAlone = scenario.faults.shard !== undefined;
    this.nodes = nodes;
    this.same = clients.flatMap((client) => clients.map((other) => client === other));
    this.attempts = new Set(clients).size < clients.length;
    this.symmetric = !this.attempts && new Set(nodes).size === nodes.length && longerLease === undefined;
  }

  node(c: number): number {
    return this.nodes[c] as number;
  }

  sameClient(c: number, other: number): boolean {
    return this.same[c * 3 + other] as boolean;
  }

  /** `c` is an earlier attempt of the client of `other`. Attempts are numbered in the order of the conn ids. */
  isEarlierAttempt(c: number, other: number): boolean {
    return c < other && this.sameClient(c, other);
  }
}
