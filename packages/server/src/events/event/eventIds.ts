import { createHash } from 'node:crypto';
import type { Clock } from '../../util/clock.js';
import type { RandomBytes } from '../../util/pooledRandom.js';

const COUNTER_MAX = 0xfff;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/** Characters of a UUID before its last byte. */
const STEM = 34;

/** Placeholder for an id that an event gets when it joins its job; of the same length. */
export const PENDING_ID = '00000000-0000-0000-0000-000000000000';

/**
 * The id of the event at `index` (below 256) of a job whose events all derive their ids from it. The id names the job, so the job of an
 * event need not be stored.
 */
export function memberId(jobId: string, index: number): string {
  return jobId.slice(0, STEM) + index.toString(16).padStart(2, '0');
}

/** The job of an event whose id was derived from its job's (`memberId`), and its index there; null for other ids. */
export function jobOfMember(eventId: string): { readonly jobId: string; readonly index: number } | null {
  if (!UUID_V7.test(eventId)) return null;
  return { jobId: memberId(eventId, 0), index: Number.parseInt(eventId.slice(STEM), 16) };
}

/**
 * Ids of events (L2). The server makes every id. Otherwise the events of two publishers who both count from 1 would count as repeats of
 * each other.
 */
export class EventIds {
  private readonly clock: Clock;
  private readonly random: RandomBytes;
  private millisecond = 0;
  private counter = 0;

  constructor(clock: Clock, random: RandomBytes) {
    this.clock = clock;
    this.random = random;
  }

  /** The id of an event that the publisher `userId` named `given` (`[A-Za-z0-9_-]{1,64}`). */
  given(userId: string, given: string): string {
    const publisher = createHash('sha256').update(userId).digest('base64url').slice(0, 8);
    return `${publisher}_${given}`;
  }

  /** The id of a job whose events derive their ids from it, and of its first event. */
  nextJob(): string {
    return memberId(this.next(), 0);
  }

  /** A UUIDv7 (RFC 9562), greater than all earlier ones of this object, even if the clock is set back. */
  next(): string {
    const bytes = Buffer.from(this.random(10));
    const now = this.clock.now();
    if (now > this.millisecond) {
      this.millisecond = Math.floor(now);
      // Starts in the lower half, which leaves room to count within the millisecond.
      this.counter = bytes.readUInt16BE(0) & (COUNTER_MAX >> 1);
    } else if (this.counter < COUNTER_MAX) {
      this.counter += 1;
    } else {
      this.millisecond += 1;
      this.counter = 0;
    }
    const time = this.millisecond.toString(16).padStart(12, '0');
    bytes[2] = ((bytes[2] ?? 0) & 0x3f) | 0x80;
    const tail = bytes.toString('hex', 2);
    const version = `7${this.counter.toString(16).padStart(3, '0')}`;
    return `${time.slice(0, 8)}-${time.slice(8)}-${version}-${tail.slice(0, 4)}-${tail.slice(4)}`;
  }
}
