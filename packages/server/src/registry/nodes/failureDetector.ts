/** The beat of a node that ended itself: every failure detector takes its lease as dead at once. */
export const ENDED = 'ended';

interface Observation {
  beat: string;
  /** Like `beat`, but kept when Redis forgets the lease. */
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

  /** A lease is dead when its beat has not changed for this long, ms. By then its node has lost the right to deliver. */
  patienceMs(lease: string): number {
    return (this.ttlOf(lease) ?? this.ownTtlMs) + 1000;
  }

  /** The link was broken, or this node has just started: no lease is declared dead for one full timeout from now. */
  reset(): void {
    this.seen.clear();
    this.deadLeases.clear();
  }

  /**
   * Takes the beats of `uws:nodes`. A new beat is as fresh as the answer; an unchanged beat is only as old as the request. So a failure
   * detector that was suspended while waiting for the answer does not count its own pause against other nodes.
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

  /** Whether this lease, named by an entry, has ever been seen. An unknown lease is watched from now on. */
  watch(lease: string, now: number): void {
    if (!this.seen.has(lease)) this.seen.set(lease, { beat: '', lastBeat: '', since: now });
  }

  /** All leases known dead, for claim.lua: it treats their entries as absent (C11). */
  dead(): string[] {
    return [...this.deadLeases.keys()];
  }

  /** Dead leases whose beat is older than `ageMs`: housekeeping may remove them. */
  deadFor(ageMs: number, now: number): string[] {
    return [...this.deadLeases].filter(([, since]) => now - since >= ageMs).map(([lease]) => lease);
  }

  /** Dead leases that showed their last sign of life at or after this time (monotonic ms), and were not ended in good order. */
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

  /** A lease without a beat (Redis forgot the lease, or housekeeping removed it) has the same timeout. */
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
