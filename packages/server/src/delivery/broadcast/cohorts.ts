import type { FrameShape } from '../frames/eventFrame.js';
import type { Clearance } from '../selection/clearances.js';
import type { Recipient } from '../selection/isRecipient.js';
import type { TypeSet } from '../selection/typeSets.js';

/** A connection as the fan-out sees it. */
export interface Member extends Recipient {
  readonly id: string;
  /** Its events are compressed. */
  readonly compress: boolean;
  /** How it is sent events. Absent: as docs/PROTOCOL.md says. */
  readonly shape?: FrameShape | undefined;
  /** Hands bytes to the socket. Never throws, never after the connection closed. */
  write(frames: Buffer): void;
  /** Its peer takes less than it is sent: nothing more is to be written until it is woken. */
  isCongested(): boolean;
  /** What the client is sent about its connection together with its position. */
  isHealthy(): boolean;
}

/**
 * The local connections that are to receive the same bytes. The key is (types, clearance, compression, shape) alone; anything
 * else, such as `exclude`, is served individually (L5).
 */
export interface Cohort {
  readonly types: TypeSet;
  readonly clearance: Clearance;
  readonly compress: boolean;
  readonly shape: FrameShape | undefined;
  readonly members: Set<Member>;
  /** Frames of the flush that is being built; empty between flushes. */
  readonly run: Buffer[];
  /** The position that the members were last sent, by an event or otherwise, and when, monotonic ms (L6). */
  reportedOffset: number;
  reportedAt: number;
}

/** All cohorts of a node, found by event type. Changes only between flushes (L5). */
export class Cohorts {
  private readonly all = new Map<string, Cohort>();
  private readonly byType = new Map<string, Set<Cohort>>();
  private readonly ofMember = new Map<Member, Cohort>();

  get size(): number {
    return this.all.size;
  }

  get members(): number {
    return this.ofMember.size;
  }

  join(member: Member, types: TypeSet, clearance: Clearance, compress: boolean): Cohort {
    this.leave(member);
    const { shape } = member;
    const key = keyOf(types, clearance, compress, shape);
    let cohort = this.all.get(key);
    if (!cohort) {
      cohort = { types, clearance, compress, shape, members: new Set(), run: [], reportedOffset: 0, reportedAt: 0 };
      this.all.set(key, cohort);
      for (const type of types.names) {
        const set = this.byType.get(type);
        if (set) set.add(cohort);
        else this.byType.set(type, new Set([cohort]));
      }
    }
    cohort.members.add(member);
    this.ofMember.set(member, cohort);
    return cohort;
  }

  leave(member: Member): void {
    const cohort = this.ofMember.get(member);
    if (!cohort) return;
    this.ofMember.delete(member);
    cohort.members.delete(member);
    if (cohort.members.size > 0) return;
    this.all.delete(keyOf(cohort.types, cohort.clearance, cohort.compress, cohort.shape));
    for (const type of cohort.types.names) {
      const set = this.byType.get(type);
      set?.delete(cohort);
      if (set?.size === 0) this.byType.delete(type);
    }
  }

  /** Whether its cohort may receive events that the member, as it is now, does not: one that changed. */
  wouldLack(member: Member): boolean {
    const cohort = this.ofMember.get(member);
    if (cohort === undefined) return false;
    const { delivered, clearance } = member;
    if (delivered === null || clearance?.id !== cohort.clearance.id) return true;
    return delivered !== cohort.types && cohort.types.names.some((type) => !delivered.set.has(type));
  }

  has(member: Member): boolean {
    return this.ofMember.has(member);
  }

  subscribedTo(type: string): Iterable<Cohort> {
    return this.byType.get(type) ?? [];
  }

  everyone(): Iterable<Member> {
    return this.ofMember.keys();
  }

  each(): Iterable<Cohort> {
    return this.all.values();
  }
}

function keyOf(types: TypeSet, clearance: Clearance, compress: boolean, shape: FrameShape | undefined): string {
  return `${types.id}/${clearance.id}${compress ? '/z' : ''}${shape ? `/${shape.name}` : ''}`;
}
