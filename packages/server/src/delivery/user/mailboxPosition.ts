import { formatPosition, type Position } from '@unified-ws/protocol';

/** Writes whose times are kept. */
const MAX_WRITTEN = 16;

/**
 * The position of a connection in its user's mailbox. One object per connection whose user has one: kept small, there may be tens of
 * thousands.
 */
export class MailboxPosition implements Position {
  epoch: string;
  /** All that concerns the connection up to here was written; offset 0 and tag '' before the first entry. */
  offset: number;
  tag: string;
  /** The newest offset known of. */
  head: number;
  /** The offset that the client was last sent. */
  reported: number;
  /** It is read for: what is heard live only raises `head` (L3). */
  behind = false;
  /** Cluster time of the last writes, ms, a number for each event: to tell what was written after some moment. */
  private written: number[] = [];
  /** What was heard does not fit to this position, or may be lost: nothing is live before the mailbox was read. */
  doubt = false;

  constructor({ epoch, offset, tag }: Position, head: number) {
    this.epoch = epoch;
    this.offset = offset;
    this.tag = tag;
    this.head = head;
    this.reported = offset;
  }

  /** Null while nothing is known of the mailbox. */
  get text(): string | null {
    return this.epoch === '' ? null : formatPosition(this.epoch, this.offset, this.tag);
  }

  /** Something was heard of, and is not delivered. */
  raise(epoch: string, head: number): void {
    if (epoch !== this.epoch) this.doubt = true;
    else if (head > this.head) this.head = head;
  }

  /** Events were written. @param time cluster time, ms. */
  wrote(events: number, time: number): void {
    this.written = [...this.written, ...Array<number>(Math.min(events, MAX_WRITTEN)).fill(time)].slice(-MAX_WRITTEN);
  }

  /** Events that were written after that cluster time, ms; of many the last. */
  writtenSince(since: number): number {
    return this.written.filter((time) => time > since).length;
  }

  /** Whether there is something to read. */
  get wanting(): boolean {
    return this.doubt || this.head > this.offset;
  }

  /** Jumps; the client is notified with a gap. */
  moveTo({ epoch, offset, tag }: Position): void {
    this.epoch = epoch;
    this.offset = offset;
    this.tag = tag;
    this.reported = offset;
  }
}
