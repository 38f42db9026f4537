import type { Core } from '../../core.js';

/** Mailboxes that are read at the same time: a page of each is in memory, and Redis works for others as well. */
const MAX_READERS = 16;
/** What could not be read for now, because Redis failed or a rate is used up, is looked at again after this, milliseconds. */
const RETRY_MS = 250;

export interface MailReadersParts<T> extends Pick<Core, 'report'> {
  /** Reads once. Resolves with what is next: `more` comes again after the others, `later` after a while, `done` not at all. */
  readonly read: (one: T) => Promise<'more' | 'later' | 'done'>;
  /** Whether this node may deliver: nothing is read while it may not. */
  readonly mayRead: () => boolean;
}

/** Paces the reading of mailboxes: a few at a time, in turns, however many connections came back at once. */
export class MailReaders<T> {
  private readonly parts: MailReadersParts<T>;
  private readonly queue = new Set<T>();
  private readonly parked = new Set<T>();
  private active = 0;
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;

  constructor(parts: MailReadersParts<T>) {
    this.parts = parts;
  }

  /** Those that wait for their turn, or for better times. */
  get waiting(): number {
    return this.queue.size + this.parked.size;
  }

  add(one: T): void {
    this.parked.delete(one);
    this.queue.add(one);
    this.pump();
  }

  /** Goes on where a fence, or a failure, stopped it. */
  resume(): void {
    for (const one of this.parked) this.queue.add(one);
    this.parked.clear();
    this.pump();
  }

  stop(): void {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }

  private pump(): void {
    while (this.active < MAX_READERS && this.queue.size > 0 && !this.stopped && this.parts.mayRead()) {
      const [one] = this.queue;
      this.queue.delete(one as T);
      void this.turn(one as T);
    }
  }

  private async turn(one: T): Promise<void> {
    this.active += 1;
    try {
      const next = await this.parts.read(one);
      if (next === 'more') this.queue.add(one);
      else if (next === 'later') this.park(one);
    } catch (error) {
      this.parts.report(error, 'fanout.mailbox');
      this.park(one);
    } finally {
      this.active -= 1;
      this.pump();
    }
  }

  private park(one: T): void {
    this.parked.add(one);
    if (this.timer || this.stopped) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.resume();
    }, RETRY_MS);
  }
}
