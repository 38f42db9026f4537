import { formatPosition } from '@unified-ws/protocol';
import type { BroadcastBatch, BroadcastLog, LogHead } from '../events/log.js';
import { parseBatch } from '../events/log.js';
import type { Report } from '../observability/logger.js';
import type { Fanout } from './flush.js';

/** Entries read from the log at a time when catching up. */
const CHUNK = 500;

export interface FollowerParts {
  readonly log: BroadcastLog;
  readonly fanout: Fanout;
  readonly report: Report;
  readonly isServing: () => boolean;
}

/**
 * Follows the broadcast log: live batches as long as each continues the last, else the hole is read from the log before
 * anything is delivered on (L1, L4). What cannot be delivered any more is announced as a `gap`, never skipped in silence.
 */
export class Follower {
  private readonly parts: FollowerParts;
  /** Batches heard, so that a read knows whether one came while it was under way. */
  private arrivals = 0;
  private following = false;
  private filling: Promise<void> | null = null;
  private headSeen: LogHead | null = null;

  constructor(parts: FollowerParts) {
    this.parts = parts;
  }

  /** Whether live batches are taken as they come. */
  get isFollowing(): boolean {
    return this.following;
  }

  /** Before this node serves for the first time: everybody starts at the head of this moment (C13). */
  async readHead(): Promise<void> {
    const { log, fanout } = this.parts;
    const head = await log.head();
    if (fanout.positionText === null) fanout.moveTo(head);
  }

  /** Delivery was interrupted: live batches are not taken, what was taken is read again later. */
  pause(): void {
    this.following = false;
    this.headSeen = null;
    this.parts.fanout.discard();
  }

  /** This node serves: deliver what was missed, then follow. */
  resume(): void {
    this.fill();
  }

  /** A batch from the bus. */
  receive(text: string): void {
    this.arrivals += 1;
    if (!this.following) return;
    const batch = parseBatch(text);
    if (this.continues(batch)) this.parts.fanout.take(batch.entries);
    else if (!this.isOld(batch)) this.fill();
  }

  /** Each second: a lost last publish is seen by nobody, so the head is read; ahead in two reads running means lost (L4). */
  async checkTail(): Promise<void> {
    const { log, fanout, isServing } = this.parts;
    if (!isServing() || this.filling) return;
    // What is heard while the answer is under way is no reason to think that the log went back.
    const asked = fanout.tail;
    const head = await log.head();
    const before = this.headSeen;
    this.headSeen = head;
    if (!this.following) {
      this.fill();
      return;
    }
    const { tail } = fanout;
    const lost = head.epoch !== tail.epoch || head.offset > tail.offset;
    if (lost && before && before.epoch === head.epoch && before.offset > tail.offset) this.fill();
    else if (isAnother(head, asked)) this.fill();
  }

  async stop(): Promise<void> {
    this.following = false;
    await this.filling;
  }

  private continues(batch: BroadcastBatch): boolean {
    const { tail } = this.parts.fanout;
    return batch.epoch === tail.epoch && batch.entries[0].offset === tail.offset + 1 && batch.prevTag === tail.tag;
  }

  private isOld(batch: BroadcastBatch): boolean {
    const { tail } = this.parts.fanout;
    const last = batch.entries.at(-1);
    if (batch.epoch !== tail.epoch || last === undefined) return false;
    // The same place with another tag is no repeat: the log went back, and its offsets were given away again (L1).
    return last.offset < tail.offset || (last.offset === tail.offset && last.tag === tail.tag);
  }

  private fill(): void {
    this.following = false;
    if (this.filling) return;
    this.filling = this.read()
      .catch((error: unknown) => this.parts.report(error, 'fanout.follow'))
      .finally(() => {
        this.filling = null;
      });
  }

  /** Reads until nothing is left and nothing came meanwhile; then, in the same turn, live batches are taken again. */
  private async read(): Promise<void> {
    const { log, fanout, isServing } = this.parts;
    for (;;) {
      const seen = this.arrivals;
      const head = await log.head();
      if (!isServing()) return;
      const { tail } = fanout;
      if (isAnother(head, tail)) {
        this.reset(head);
        continue;
      }
      // From the last delivered entry on, which must be the one that was delivered (L1).
      const from = Math.max(0, tail.offset - 1);
      const entries = head.offset > tail.offset ? await log.read(from, head.offset, CHUNK) : [];
      if (!isServing()) return;
      // A flush that found the lease gone discarded what was taken: read from where it stands now.
      if (fanout.tail.offset !== tail.offset) continue;
      const known = entries[0]?.offset === tail.offset ? entries.shift() : undefined;
      if (known && known.tag !== tail.tag) {
        this.reset(head);
        continue;
      }
      const first = entries[0];
      if (first === undefined) {
        if (head.offset > tail.offset) this.gap(head, head, 'trimmed');
        if (seen !== this.arrivals || fanout.tail.offset < head.offset) continue;
        this.following = true;
        return;
      }
      if (first.offset !== tail.offset + 1) {
        this.gap({ epoch: tail.epoch, offset: first.offset - 1, tag: '' }, { ...first, epoch: tail.epoch }, 'trimmed');
      }
      fanout.take(entries);
      // Paced as live delivery is: a node that catches up works on the queue and takes connections as well.
      await fanout.flushed();
    }
  }

  /** The log is another one than this node knew: emptied, or gone back by a fail-over (L1). */
  private reset(head: LogHead): void {
    this.gap(head, head, 'log_reset');
  }

  /** @param to where delivery goes on, told to the clients; `position` is the entry before it when that is known no more. */
  private gap(position: LogHead, to: LogHead, reason: 'log_reset' | 'trimmed'): void {
    const { fanout } = this.parts;
    fanout.flush();
    const from = fanout.positionText;
    fanout.moveTo(position);
    fanout.counts.gaps += 1;
    fanout.announce('gap', { scope: 'broadcast', from, to: formatPosition(to.epoch, to.offset, to.tag), reason });
  }
}

/** The log is not the one that `tail` was read from: another epoch, or it went back by a fail-over (L1). */
function isAnother(head: LogHead, tail: LogHead): boolean {
  if (head.epoch !== tail.epoch || head.offset < tail.offset) return true;
  return head.offset === tail.offset && head.tag !== tail.tag;
}
