/** Connections of one user, in the order in which they come, and nodes. */
export const CONNS = [0, 1, 2] as const;
export const NODES = [0, 1] as const;
/** No connection. */
export const NONE = 3;

export const FAULTS = [
  'loss',
  'repeat',
  'death',
  'cut',
  'pause',
  'kill',
  'empty',
  /** Mailbox and queue go back together. */
  'failover',
  /** The mailbox’s shard alone goes back. */
  'shard',
  'forget',
  'forge',
  'congestion',
] as const;
export type Fault = (typeof FAULTS)[number];

export const INVARIANTS = {
  hole: 'I4: an event came, or was acknowledged away, before an earlier one that was neither received nor announced',
  repeat: 'I4: an event came twice to a client that was told nothing',
  twice: 'L2: an event lies in a log twice',
  acked: 'L8: what the current connection was not sent is acknowledged',
  needless: 'I4: a gap was announced where nothing is missing',
  replaced: 'I1: a connection delivers that was replaced by an established one',
  behind: 'I4: at rest a connected client lacks an event, or an event is not appended',
} as const;
export type Invariant = keyof typeof INVARIANTS;

const NAMES = Object.keys(INVARIANTS) as Invariant[];
export const Flaw = Object.freeze(Object.fromEntries(NAMES.map((name, index) => [name, index + 1]))) as Readonly<
  Record<Invariant, number>
>;
export function invariantOf(flaw: number): Invariant | undefined {
  return NAMES[flaw - 1];
}
