import { createHash } from 'node:crypto';
import type { Clock } from '../clock.js';

/** `size` random bytes; `crypto.randomBytes` outside tests. */
export type RandomBytes = (size: number) => Uint8Array;

const COUNTER_MAX = 0xfff;

/**
 * Ids of events (L2). The server makes every one, so that two publishers who both count from 1 do not take each other's
 * events for repeats.
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

  /** The id of an event to which the publisher `userId` gave the id `given` (`[A-Za-z0-9_-]{1,64}`). */
  given(userId: string, given: string): string {
    const publisher = createHash('sha256').update(userId).digest('base64url').slice(0, 8);
    return `${publisher}_${given}`;
  }

  /** A UUIDv7 (RFC 9562), greater than every one before it of this object, also when the clock is set back. */
  next(): string {
    const bytes = Buffer.from(this.random(10));
    const now = this.clock.now();
    if (now > this.millisecond) {
      this.millisecond = Math.floor(now);
      // Starts in the lower half: room to count on within the millisecond.
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
