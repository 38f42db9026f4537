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
  /** Waits for the acknowledgements of the displaced owners. */
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

/** What a claimer still waits for from a displaced owner. */
export const Wait = {
  nothing: 0,
  /** Acknowledgement only: since the claim the owner's node never lost its right to deliver. */
  acknowledgement: 1,
  /** Or the replace time-out: since the claim the owner's node was without the right to deliver. */
  orTimeout: 2,
  /** The same, and the evict is addressed to a lease that its node gave up: it reaches nobody. */
  oldChannel: 3,
} as const;

export const Run = { running: 0, paused: 1, cut: 2, killed: 3 } as const;

/** A lease as an entry names it, seen against the lease that its node holds now. */
export const Lease = { current: 0, old: 1, dead: 2 } as const;

/** An element of the displaced list: 0 when absent, else 1 + its Lease. */
export const Displaced = { absent: 0, current: 1, old: 2, dead: 3 } as const;

export const FAULTS = ['pause', 'cut', 'kill', 'loss', 'empty', 'kick', 'stop'] as const;
export type Fault = (typeof FAULTS)[number];

const LAYOUT = {
  phase: [3, 4],
  why: [3, 2],
  /** Was established once: hello is sent. */
  hello: [3, 1],
  /** On the release list of its node. */
  releasing: [3, 1],
  /** Its last claim found a displaced list and settle.lua did not run since. */
  unsettled: [3, 1],
  /** The fence that its claim was given. */
  granted: [3, 4],
  /** [claimer × 3 + displaced owner]: a Wait. */
  wait: [9, 2],
  /** Evicts in flight to this connection: a bit per sender. */
  evicts: [3, 4],
  /** Acknowledgements in flight from this connection's node: a bit per claimer. */
  acks: [3, 3],
  run: [3, 2],
  /** now < validUntil. */
  valid: [3, 1],
  /** Others may know the node's present lease as dead. */
  judged: [3, 1],
  /** Redis was emptied and the node did not notice yet that its links broke. */
  stale: [3, 1],
  /** uws:{u:<user>}:conn — conn, NONE when released or a tombstone. */
  owner: [1, 2],
  /** Whose client and attempt are stored; they stay when conn is released. */
  holder: [1, 2],
  /** Was granted a claim since Redis last forgot: its attempt is remembered. */
  seen: [3, 1],
  lease: [1, 2],
  fence: [1, 4],
  /** A tombstone of kick.lua. */
  closeCode: [1, 1],
  displaced: [3, 2],
  /** The newest claim that Redis granted since it last forgot. */
  newest: [1, 2],
  /** A bus message was lost. */
  lost: [1, 1],
  /** I5 was broken. */
  ownAttemptEnded: [1, 1],
  /** Faults left to happen. */
  budget: [FAULTS.length, 2],
} as const satisfies Record<string, readonly [count: number, bits: number]>;
type Field = keyof typeof LAYOUT;

const fields = Object.entries(LAYOUT) as [Field, readonly [number, number]][];
/** Bits per byte of a state. */
export const WIDTHS: readonly number[] = fields.flatMap(([, [count, bits]]) => Array<number>(count).fill(bits));
const offsets = {} as Record<Field, number>;
let offset = 0;
for (const [name, [count]] of fields) {
  offsets[name] = offset;
  offset += count;
}
const at: Readonly<Record<Field, number>> = Object.freeze(offsets);

/** Names over the bytes of a state. */
export class State {
  readonly bytes: Uint8Array;
  private readonly words: Uint32Array;

  constructor() {
    this.words = new Uint32Array(Math.ceil(WIDTHS.length / 4));
    this.bytes = new Uint8Array(this.words.buffer, 0, WIDTHS.length);
  }

  /** By words: the search copies a state for every step it tries. */
  copy(from: State): void {
    for (let word = 0; word < this.words.length; word += 1) this.words[word] = from.words[word] as number;
  }

  private get(index: number): number {
    return this.bytes[index] as number;
  }

  phase(c: number): number {
    return this.get(at.phase + c);
  }
  setPhase(c: number, phase: number): void {
    this.bytes[at.phase + c] = phase;
  }
  why(c: number): number {
    return this.get(at.why + c);
  }
  setWhy(c: number, why: number): void {
    this.bytes[at.why + c] = why;
  }
  hello(c: number): boolean {
    return this.get(at.hello + c) === 1;
  }
  setHello(c: number, hello: boolean): void {
    this.bytes[at.hello + c] = hello ? 1 : 0;
  }
  releasing(c: number): boolean {
    return this.get(at.releasing + c) === 1;
  }
  setReleasing(c: number, releasing: boolean): void {
    this.bytes[at.releasing + c] = releasing ? 1 : 0;
  }
  unsettled(c: number): boolean {
    return this.get(at.unsettled + c) === 1;
  }
  setUnsettled(c: number, unsettled: boolean): void {
    this.bytes[at.unsettled + c] = unsettled ? 1 : 0;
  }
  granted(c: number): number {
    return this.get(at.granted + c);
  }
  setGranted(c: number, fence: number): void {
    this.bytes[at.granted + c] = fence;
  }
  wait(by: number, c: number): number {
    return this.get(at.wait + by * 3 + c);
  }
  setWait(by: number, c: number, wait: number): void {
    this.bytes[at.wait + by * 3 + c] = wait;
  }
  evict(c: number, by: number): boolean {
    return (this.get(at.evicts + c) & (1 << by)) !== 0;
  }
  evicts(c: number): number {
    return this.get(at.evicts + c);
  }
  setEvict(c: number, by: number, inFlight: boolean): void {
    const bits = this.get(at.evicts + c);
    this.bytes[at.evicts + c] = inFlight ? bits | (1 << by) : bits & ~(1 << by);
  }
  ack(c: number, by: number): boolean {
    return (this.get(at.acks + c) & (1 << by)) !== 0;
  }
  acks(c: number): number {
    return this.get(at.acks + c);
  }
  setAck(c: number, by: number, inFlight: boolean): void {
    const bits = this.get(at.acks + c);
    this.bytes[at.acks + c] = inFlight ? bits | (1 << by) : bits & ~(1 << by);
  }
  run(n: number): number {
    return this.get(at.run + n);
  }
  setRun(n: number, run: number): void {
    this.bytes[at.run + n] = run;
  }
  valid(n: number): boolean {
    return this.get(at.valid + n) === 1;
  }
  setValid(n: number, valid: boolean): void {
    this.bytes[at.valid + n] = valid ? 1 : 0;
  }
  judged(n: number): boolean {
    return this.get(at.judged + n) === 1;
  }
  setJudged(n: number, judged: boolean): void {
    this.bytes[at.judged + n] = judged ? 1 : 0;
  }
  stale(n: number): boolean {
    return this.get(at.stale + n) === 1;
  }
  setStale(n: number, stale: boolean): void {
    this.bytes[at.stale + n] = stale ? 1 : 0;
  }
  seen(c: number): boolean {
    return this.get(at.seen + c) === 1;
  }
  setSeen(c: number, seen: boolean): void {
    this.bytes[at.seen + c] = seen ? 1 : 0;
  }
  displaced(c: number): number {
    return this.get(at.displaced + c);
  }
  setDisplaced(c: number, displaced: number): void {
    this.bytes[at.displaced + c] = displaced;
  }
  budget(fault: number): number {
    return this.get(at.budget + fault);
  }
  setBudget(fault: number, left: number): void {
    this.bytes[at.budget + fault] = left;
  }
  get owner(): number {
    return this.get(at.owner);
  }
  set owner(c: number) {
    this.bytes[at.owner] = c;
  }
  get holder(): number {
    return this.get(at.holder);
  }
  set holder(c: number) {
    this.bytes[at.holder] = c;
  }
  get lease(): number {
    return this.get(at.lease);
  }
  set lease(lease: number) {
    this.bytes[at.lease] = lease;
  }
  get fence(): number {
    return this.get(at.fence);
  }
  set fence(fence: number) {
    this.bytes[at.fence] = fence;
  }
  get closeCode(): boolean {
    return this.get(at.closeCode) === 1;
  }
  set closeCode(set: boolean) {
    this.bytes[at.closeCode] = set ? 1 : 0;
  }
  get newest(): number {
    return this.get(at.newest);
  }
  set newest(c: number) {
    this.bytes[at.newest] = c;
  }
  get lost(): boolean {
    return this.get(at.lost) === 1;
  }
  set lost(lost: boolean) {
    this.bytes[at.lost] = lost ? 1 : 0;
  }
  get ownAttemptEnded(): boolean {
    return this.get(at.ownAttemptEnded) === 1;
  }
  set ownAttemptEnded(ended: boolean) {
    this.bytes[at.ownAttemptEnded] = ended ? 1 : 0;
  }
}
