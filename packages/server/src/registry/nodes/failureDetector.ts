/** The beat of a node that ended itself: every failure detector takes its lease for dead at once. */
export const ENDED = 'ended';

interface Observation {
  beat: string;
  /** As `beat`, but stays when Redis forgets it. */
  lastBeat: string;
  /** Monotonic ms of the failure detector when this beat was first seen. */
  since: number;
}

/**
 * Which leases are dead. A node's time-stamps prove nothing (clocks differ, and a fail-over would kill every lease at once), so
 * a lease is dead when its beat did not change for long enough of the failure detector's own clock, with the failure detector's own link
 * unbroken all the while (C9).
 */
export class FailureDetector {
  private readonly ownTtlMs: number;
  private readonly ttlOf: (lease: string) => number | undefined;
  private readonly seen = new Map<string, Observation>();
  private deadLeases = new Map<string, number>();

  /**
   * @param leaseTtlMs LEASE_TTL_MS of this node: a lease is dead after this and one second more.
   * @param ttlOf LEASE_TTL_MS of the lease's own node, by which it is checked; undefined where it is not known.
   */
  constructor(leaseTtlMs: number, ttlOf: (lease: string) => number | undefined = () => undefined) {
    this.ownTtlMs = leaseTtlMs;
    this.ttlOf = ttlOf;
  }

  /** A lease whose beat did not change for so long, ms, is dead: by then its node has lost the right to deliver. */
  patienceMs(lease: string): number {
    return (this.ttlOf(lease) ?? this.ownTtlMs) + 1000;
  }

  /** The link was broken, or this node just started: nobody is called dead for a whole patience from now on. */
  reset(): void {
    this.seen.clear();
    this.deadLeases.clear();
  }

  /**
   * Takes the beats of `uws:nodes`. A beat counts as fresh from when it was heard, and as old up to when it was asked for: a failure detector
   * that is stopped while the answer is under way must not hold the pause against the others.
   *
   * @param asked and `now`: monotonic ms.
   */
  observe(beats: ReadonlyMap<string, string>, asked: number, now: number): void {
    const dead = new Map<string, number>();
    for (const [lease, beat] of beats) {
      const known = this.seen.get(lease);
      if (known === undefined || known.beat !== beat) this.seen.set(lease, { beat, lastBeat: beat, since: now });
      else if (asked - known.since >= this.patienceMs(lease)) dead.set(lease, known.since);
      if (beat === ENDED) dead.set(lease, this.seen.get(lease)?.since ?? now);
    }
    for (const lease of this.seen.keys()) if (!beats.has(lease)) this.absent(lease, asked, now, dead);
    this.deadLeases = dead;
  }

  /** The beat that was seen last; '' when there was none. */
  beatOf(lease: string): string {
    return this.seen.get(lease)?.lastBeat ?? '';
  }

  isDead(lease: string): boolean {
    return this.deadLeases.has(lease);
  }

  /** Whether a lease that some entry names has been heard of at all; unknown ones are watched from now on. */
  watch(lease: string, now: number): void {
    if (!this.seen.has(lease)) this.seen.set(lease, { beat: '', lastBeat: '', since: now });
  }

  /** All leases known dead, for claim.lua: their entries read as absent (C11). */
  dead(): string[] {
    return [...this.deadLeases.keys()];
  }

  /** Dead leases whose beat is older than `ageMs`: ripe for housekeeping. */
  deadFor(ageMs: number, now: number): string[] {
    return [...this.deadLeases].filter(([, since]) => now - since >= ageMs).map(([lease]) => lease);
  }

  /** Dead leases that gave their last sign of life then or later, monotonic ms, and did not end in good order. */
  diedSince(mono: number): string[] {
    const gone = (lease: string): boolean => ['', ENDED].includes(this.seen.get(lease)?.beat ?? '');
    return [...this.deadLeases].filter(([lease, since]) => since >= mono && !gone(lease)).map(([lease]) => lease);
  }

  /** Leases that are not known dead. */
  live(): string[] {
    return [...this.seen]
      .filter(([lease, { beat }]) => beat !== '' && !this.deadLeases.has(lease))
      .map(([lease]) => lease);
  }

  /** A lease that is in no beat (Redis forgot it, or housekeeping removed it) is checked by the same patience. */
  private absent(lease: string, asked: number, now: number, dead: Map<string, number>): void {
    const known = this.seen.get(lease);
    if (!known) return;
    if (known.beat !== '') {
      known.beat = '';
      known.since = now;
    } else if (asked - known.since >= this.patienceMs(lease)) {
      dead.set(lease, known.since);
      if (now - known.since >= 100 * this.patienceMs(lease)) this.seen.delete(lease);
    }
  }
}
