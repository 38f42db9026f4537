import { FAULTS } from './vocabulary.js';

/** uws:{u:<user>}:conn, and what Redis forgets together with it. */
const ENTRY = {
  /** conn; NONE when released or a tombstone. */
  owner: [1, 2],
  /** Whose client and attempt are stored; they stay when conn is released. */
  holder: [1, 2],
  /** Was granted a claim: its attempt is remembered. */
  seen: [3, 1],
  lease: [1, 2],
  fence: [1, 4],
  /** A tombstone of kick.lua. */
  closeCode: [1, 1],
  replaced: [3, 2],
  /** The newest claim that was granted since Redis last forgot. */
  newest: [1, 2],
} as const;

const LAYOUT = {
  phase: [3, 4],
  why: [3, 2],
  /** Was established once: connection_established is sent. */
  establishedData: [3, 1],
  /** On the release list of its node. */
  releasing: [3, 1],
  /** Its last claim found a replaced list and settle.lua did not run since. */
  unsettled: [3, 1],
  /** The fence that its claim was given. */
  granted: [3, 4],
  /** [claimer × 3 + replaced owner]: a Wait. */
  wait: [9, 2],
  /** Whom its last claim replaced: a bit per connection. Where Redis may forget the claim while it waits. */
  listed: [3, 3],
  /** Evicts in flight to this connection: a bit per sender. */
  evicts: [3, 4],
  /** Acknowledgements in flight from this connection's node: a bit per claimer. */
  acks: [3, 3],
  run: [3, 3],
  /** now < validUntil. */
  valid: [3, 1],
  /** Its clocks stood still: by the cluster's time its right is over, by its own it is not. */
  behind: [3, 1],
  /** Others may know the node's present lease as dead. */
  dead: [3, 1],
  /** Redis restarted or failed over, and the node did not notice yet that its links broke. */
  stale: [3, 1],
  /** The user's shard lost data, and the node did not ask for its mark there since. */
  unproven: [3, 1],
  /** A bus message was lost. */
  lost: [1, 1],
  /** I5 was broken. */
  ownAttemptEnded: [1, 1],
  /** Faults left to happen. */
  budget: [FAULTS.length, 2],
  ...ENTRY,
  /** A replica fell behind: its copy of the entry, field by field. */
  lags: [1, 1],
  copyOwner: ENTRY.owner,
  copyHolder: ENTRY.holder,
  copySeen: ENTRY.seen,
  copyLease: ENTRY.lease,
  copyFence: ENTRY.fence,
  copyCloseCode: ENTRY.closeCode,
  copyReplaced: ENTRY.replaced,
  copyNewest: ENTRY.newest,
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
/** From a field of the entry to the same of the replica's copy. */
const TO_COPY = at.copyOwner - at.owner;
const ENTRY_FIELDS = at.lags - at.owner;

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
  establishedData(c: number): boolean {
    return this.get(at.establishedData + c) === 1;
  }
  setEstablished(c: number, establishedData: boolean): void {
    this.bytes[at.establishedData + c] = establishedData ? 1 : 0;
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
  isListed(by: number, c: number): boolean {
    return (this.get(at.listed + by) & (1 << c)) !== 0;
  }
  setListed(by: number, c: number): void {
    this.bytes[at.listed + by] = this.get(at.listed + by) | (1 << c);
  }
  clearListed(by: number): void {
    this.bytes[at.listed + by] = 0;
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
  behind(n: number): boolean {
    return this.get(at.behind + n) === 1;
  }
  setBehind(n: number, behind: boolean): void {
    this.bytes[at.behind + n] = behind ? 1 : 0;
  }
  dead(n: number): boolean {
    return this.get(at.dead + n) === 1;
  }
  setDead(n: number, dead: boolean): void {
    this.bytes[at.dead + n] = dead ? 1 : 0;
  }
  stale(n: number): boolean {
    return this.get(at.stale + n) === 1;
  }
  setStale(n: number, stale: boolean): void {
    this.bytes[at.stale + n] = stale ? 1 : 0;
  }
  unproven(n: number): boolean {
    return this.get(at.unproven + n) === 1;
  }
  setUnproven(n: number, unproven: boolean): void {
    this.bytes[at.unproven + n] = unproven ? 1 : 0;
  }
  seen(c: number): boolean {
    return this.get(at.seen + c) === 1;
  }
  setSeen(c: number, seen: boolean): void {
    this.bytes[at.seen + c] = seen ? 1 : 0;
  }
  replaced(c: number): number {
    return this.get(at.replaced + c);
  }
  setReplaced(c: number, replaced: number): void {
    this.bytes[at.replaced + c] = replaced;
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

  get lags(): boolean {
    return this.get(at.lags) === 1;
  }
  get copyFence(): number {
    return this.get(at.copyFence);
  }
  set copyFence(fence: number) {
    this.bytes[at.copyFence] = fence;
  }
  /** The replica stops here. */
  copyEntry(): void {
    this.bytes[at.lags] = 1;
    this.bytes.copyWithin(at.copyOwner, at.owner, at.owner + ENTRY_FIELDS);
  }
  /** The replica takes over, with what it has. */
  restoreEntry(): void {
    this.bytes.copyWithin(at.owner, at.copyOwner, at.copyOwner + ENTRY_FIELDS);
    this.forgetCopy();
  }
  forgetCopy(): void {
    this.bytes.fill(0, at.lags, at.copyOwner + ENTRY_FIELDS);
  }
  /** The lease that `c` is entered with is no longer what it was, wherever it is written. */
  ageLease(c: number, from: number, to: number): void {
    for (const base of this.lags ? [0, TO_COPY] : [0]) {
      if (this.get(at.owner + base) === c && this.get(at.lease + base) === from) this.bytes[at.lease + base] = to;
      const replaced = at.replaced + base + c;
      if (this.get(replaced) === from + 1) this.bytes[replaced] = to + 1;
    }
  }
  /** Some entry names a lease of `c` in this condition. */
  namesLease(c: number, lease: number): boolean {
    if (this.owner === c && this.lease === lease) return true;
    return this.replaced(c) === lease + 1;
  }
}
