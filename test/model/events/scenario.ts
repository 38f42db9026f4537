import type { Rules } from './switches.js';
import type { Fault, Invariant } from './vocabulary.js';

/** Who connects, where, and what the log keeps. */
export interface Shape {
  readonly name: string;
  /** SDK instance of each connection; -1: there is none. */
  readonly clients: readonly [number, number, number];
  readonly nodes: readonly [number, number, number];
  readonly events: number;
  /** Entries that the log keeps. */
  readonly size: number;
  /** Acknowledgements that the clients send at most. */
  readonly acks: number;
  /** Events that the client received before on a node that is gone; a replica has none of them. */
  readonly received?: number;
}

export interface Scenario {
  readonly shape: Shape;
  readonly rules: Rules;
  /** How often each fault may happen. */
  readonly faults: Readonly<Partial<Record<Fault, number>>>;
  /** Look for violations of this invariant alone. */
  readonly invariant?: Invariant;
}

/** Redis may forget: then tags differ from offsets, and have to be closed up. */
export function mayForget({ faults }: Scenario): boolean {
  return faults.empty !== undefined || faults.failover !== undefined || faults.shard !== undefined;
}

export const MAILBOX_SHAPES = {
  reconnects: {
    name: 'mailbox, A comes back',
    clients: [0, 0, -1],
    nodes: [0, 1, 0],
    events: 3,
    size: 6,
    acks: 1,
  },
  brief: {
    name: 'mailbox, two events',
    clients: [0, 0, -1],
    nodes: [0, 1, 0],
    events: 2,
    size: 6,
    acks: 1,
  },
  devices: {
    name: 'mailbox, A, B, A',
    clients: [0, 1, 0],
    nodes: [0, 1, 0],
    events: 2,
    size: 6,
    acks: 1,
  },
  small: {
    name: 'mailbox of two',
    clients: [0, 0, -1],
    nodes: [0, 1, 0],
    events: 4,
    size: 2,
    acks: 0,
  },
  smallAcked: {
    name: 'mailbox of two, acks',
    clients: [0, 0, -1],
    nodes: [0, 0, 0],
    events: 3,
    size: 2,
    acks: 2,
  },
} as const satisfies Record<string, Shape>;

export const BROADCAST_SHAPES = {
  moves: { name: 'broadcast', clients: [0, 0, -1], nodes: [0, 1, 0], events: 3, size: 6, acks: 0 },
  returns: { name: 'broadcast, there and back', clients: [0, 0, 0], nodes: [0, 1, 0], events: 2, size: 6, acks: 0 },
  brief: { name: 'broadcast, two events', clients: [0, 0, -1], nodes: [0, 1, 0], events: 2, size: 6, acks: 0 },
  small: { name: 'broadcast, log of one', clients: [0, 0, -1], nodes: [0, 1, 0], events: 3, size: 1, acks: 0 },
  ahead: {
    name: 'broadcast, from a node ahead',
    clients: [0, -1, -1],
    nodes: [1, 0, 0],
    events: 3,
    size: 6,
    acks: 0,
    received: 2,
  },
  aheadByOne: {
    name: 'broadcast, one ahead',
    clients: [0, -1, -1],
    nodes: [1, 0, 0],
    events: 3,
    size: 6,
    acks: 0,
    received: 1,
  },
  oneNode: { name: 'broadcast, one node', clients: [0, 0, -1], nodes: [0, 0, 0], events: 4, size: 2, acks: 0 },
} as const satisfies Record<string, Shape>;
