/** Three connections of one user, on up to three nodes. */
export const CONNS = [0, 1, 2] as const;
export const NODES = [0, 1, 2] as const;
/** No connection: in `owner`, `holder` and `newest`. */
export const NONE = 3;
/** Sender of the evict that `kick.lua` publishes; in `evicts` beside the three claimers. */
export const ADMIN = 3;
export const SENDERS = [0, 1, 2, ADMIN] as const;

/** Life of a connection, as its node sees it. A request in flight may still run in Redis when its node is gone. */
export const Phase = {
  idle: 0,
  /** claim.lua is in flight. */
  claiming: 1,
  /** claim.lua ran, its reply is in flight. */
  claimed: 2,
  /** Waits for the acknowledgements of the replaced owners. */
  waiting: 3,
  /** settle.lua ran, its reply is in flight. */
  settled: 4,
  established: 5,
  /** After an interruption: delivers nothing until reconciled. */
  unsynced: 6,
  /** reconcile.lua read "absent or lower"; the re-claim is about to be sent or in flight. */
  reclaiming: 7,
  /** The re-claim ran, its reply is in flight. */
  reclaimed: 8,
  closed: 9,
  /** Closed towards the client while claim.lua is in flight. */
  doomedClaiming: 10,
  /** Closed towards the client while the reply of a claim or re-claim is in flight: released when it comes. */
  doomedClaimed: 11,
  /** Closed towards the client while a re-claim is in flight. */
  doomedReclaiming: 12,
} as const;

/** What a connection's end means for its client. */
export const Why = {
  open: 0,
  /** 4001 or 4206: the client stays away, because a newer connection serves the user. */
  terminal: 1,
  /** Closed by the client or an admin, by 4200, 4205 or 4207, or with its node: nobody is owed a connection before the next claim. */
  excused: 2,
} as const;

/** What a claimer still waits for from a replaced owner. */
export const Wait = {
  nothing: 0,
  /** Acknowledgement only: since the claim the owner's node never lost its right to deliver. */
  acknowledgement: 1,
  /** Or the replace time-out: since the claim the owner's node was without the right to deliver. */
  orTimeout: 2,
  /** The same, and the evict is addressed to a lease that its node gave up: it reaches nobody. */
  oldChannel: 3,
} as const;

/** `deaf`: commands get through, bus messages do not. `cut`: neither. `frozen`: as paused, and its clocks stand still. */
export const Run = { running: 0, paused: 1, cut: 2, killed: 3, deaf: 4, frozen: 5 } as const;

/** A lease as an entry names it, seen against the lease that its node holds now. */
export const Lease = { current: 0, old: 1, dead: 2 } as const;

/** An element of the replaced list: 0 when absent, else 1 + its Lease. */
export const Replaced = { absent: 0, current: 1, old: 2, dead: 3 } as const;

export const FAULTS = [
  'pause',
  'kill',
  'loss',
  'empty',
  'cut',
  'deaf',
  'failover',
  /** The user's shard of a Redis Cluster alone goes back to what it had, if only to nothing: no link breaks. */
  'shard',
  'kick',
  'stop',
  'freeze',
] as const;
export type Fault = (typeof FAULTS)[number];
