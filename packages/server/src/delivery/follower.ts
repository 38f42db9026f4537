import type { Core } from '../core.js';
import type { BroadcastBatch, BroadcastLog, LogHead } from '../events/log/broadcastLog.js';
import { parseBatch } from '../events/log/broadcastLog.js';
import { formatLogPosition, type LogPosition } from './broadcast/logPosition.js';
import type { Fanout } from './fanout.js';

/** Entries read from the log at a time when catching up. */
const CHUNK = 500;
/** Batches, and their characters, that are kept while the hole before them is read. More come from the log. */
const MAX_HEARD = 200;
const MAX_HEARD_CHARACTERS = 4 * 1024 * 1024;

export interface FollowerParts extends Pick<Core, 'report'> {
  readonly log: BroadcastLog;
  readonly fanout: Fanout;
  readonly isServing: () => boolean;
}

/**
 * Follows the broadcast log: live batches as long as each continues the last, else the hole is read from the log before
 * anything is delivered on (L1, L4). What cannot be delivered any more is announced as a `gap`, never skipped in silence.
 */
export class Follower {
  private readonly parts: FollowerParts;
  /** Batches heard while the hole before them is read, oldest first. */
  private heard: string[] = [];
  private heardCharacters = 0;
  private following = false;
  private filling: Promise<void> | null = null;
  private headSeen: LogHead | null = null;

  constructor(parts: FollowerParts) {
    this.parts = parts;
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
    this.forget();
    this.parts.fanout.discard();
  }

  /** This node serves: deliver what was missed, then follow. */
  resume(): void {
    this.parts.fanout.readers.wakeAll();
    this.fill();
  }

  /** A batch from the bus. */
  receive(text: string): void {
    if (!this.following) {
      this.remember(text);
      return;
    }
    const batch = parseBatch(text);
    if (this.continues(batch)) {
      this.parts.fanout.take(batch.entries);
    } else if (!this.isOld(batch)) {
      this.remember(text);
      this.fill();
    }
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
    fanout.readers.checkAhead(head);
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

  private remember(text: string): void {
    this.heard.push(text);
    this.heardCharacters += text.length;
    while (this.heard.length > MAX_HEARD || this.heardCharacters > MAX_HEARD_CHARACTERS) {
      this.heardCharacters -= this.heard.shift()?.length ?? 0;
    }
  }

  private forget(): void {
    this.heard = [];
    this.heardCharacters = 0;
  }

  /**
   * Takes what was heard meanwhile, as far as it follows. True when all of it was taken or was known: from then on, within this
   * turn, live batches are taken as they come.
   */
  private join(): boolean {
    while (this.heard.length > 0) {
      const batch = parseBatch(this.heard[0] as string);
      if (this.continues(batch)) this.parts.fanout.take(batch.entries);
      else if (!this.isOld(batch)) return false;
      this.heardCharacters -= this.heard.shift()?.length ?? 0;
    }
    return true;
  }

  /** Reads until what was heard meanwhile follows, or nothing is left. */
  private async read(): Promise<void> {
    const { log, fanout, isServing } = this.parts;
    for (;;) {
      const head = await log.head();
      if (!isServing()) return;
      const { tail } = fanout;
      if (isAnother(head, tail)) {
        await this.restart(head);
        if (!isServing()) return;
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
        await this.restart(head);
        if (!isServing()) return;
        continue;
      }
      const first = entries[0];
      const gone = known === undefined && tail.offset > 0 && first?.offset === tail.offset + 1;
      if (gone && !(await log.followed(tail))) {
        // The entry before it is trimmed, and may have been another than the one that was delivered (L1).
        if (!isServing()) return;
        this.trimmed(tail, { ...first, epoch: tail.epoch });
      } else if (first === undefined && head.offset > tail.offset) {
        this.trimmed(head, head);
      } else if (first !== undefined && first.offset !== tail.offset + 1) {
        this.trimmed({ epoch: tail.epoch, offset: first.offset - 1, tag: '' }, { ...first, epoch: tail.epoch });
      }
      fanout.take(entries);
      const all = fanout.tail.offset >= head.offset;
      if (this.join() && all) {
        this.following = true;
        return;
      }
      // What does not follow though all was read is of another log, or came with a part that is lost: the head tells.
      if (all) this.forget();
      // Paced as live delivery is: a node that catches up works on the queue and takes connections as well.
      await fanout.flushed();
    }
  }

  /**
   * The log is another one than this node knew: emptied, or set back by a fail-over. In the latter case the epoch is changed, so
   * that no position of the lost part is taken for one of what follows (L1). Delivery goes on after the last entry that this
   * node has delivered, so that nothing published afterwards is missed.
   */
  private async restart(found: LogHead): Promise<void> {
    const { log, fanout, isServing } = this.parts;
    const { epoch } = fanout.tail;
    const head = await log.rotate(epoch);
    const delivered = head.rotatedFrom === epoch ? await this.lastKnown(head) : { offset: 0, tag: '' };
    if (!isServing()) return;
    fanout.flush();
    const from = fanout.positionText;
    fanout.restartAt({ epoch: head.epoch === '' ? found.epoch : head.epoch, ...delivered });
    const { position } = fanout;
    fanout.counts.gaps += 1;
    fanout.announce('gap', {
      scope: 'broadcast',
      from,
      to: formatLogPosition(position.epoch, position),
      reason: 'log_reset',
    });
  }

  /** The newest entry of a log that was set back which this node has delivered. */
  private async lastKnown(head: LogHead): Promise<LogPosition> {
    const { log, fanout } = this.parts;
    const { recentEvents } = fanout;
    // Nothing was delivered since this node started or jumped: there is nothing to compare, and nobody has missed anything.
    if (recentEvents.size === 0) return { offset: head.offset, tag: head.tag };
    let last: LogPosition = { offset: 0, tag: '' };
    for (let at = Math.max(0, Math.min(recentEvents.oldest, head.offset) - 2); ; at = last.offset) {
      const entries = await log.read(at, recentEvents.newest, CHUNK);
      for (const { offset, tag } of entries) {
        // Before the recent events nothing can be compared, but it lies before what was set back.
        if (offset >= recentEvents.oldest && recentEvents.get(offset)?.tag !== tag) return last;
        last = { offset, tag };
      }
      if (entries.length < CHUNK) return last;
    }
  }

  /** @param to where delivery goes on, told to the clients; `position` is the entry before it when that is known no more. */
  private trimmed(position: LogHead, to: LogHead): void {
    const { fanout } = this.parts;
    fanout.flush();
    const from = fanout.positionText;
    fanout.moveTo(position);
    fanout.counts.gaps += 1;
    const data = { scope: 'broadcast', from, to: formatLogPosition(to.epoch, to), reason: 'trimmed' };
    fanout.announceToCohorts('gap', data);
  }
}

/** The log is not the one that `tail` was read from: another epoch, or it went back by a fail-over (L1). */
function isAnother(head: LogHead, tail: LogHead): boolean {
  if (head.epoch !== tail.epoch || head.offset < tail.offset) return true;
  return head.offset === tail.offset && head.tag !== tail.tag;
}
