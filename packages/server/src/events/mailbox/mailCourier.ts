import { type Bus, withTime } from '../../bus/bus.js';
import type { MailBatch } from '../../bus/busMessages.js';
import type { Core } from '../../core.js';
import type { AppendedMail } from './mailboxes.js';

/** Characters of one message, unless a single batch is larger: a longer one would hold up the channel of its node. */
export const MAX_MESSAGE_CHARACTERS = 256 * 1024;
/**
 * Larger batches are only told of, and read from the mailbox at the pace of the receiver: an event for 1,000 users comes 1,000 times,
 * and Redis ends a subscriber that has 32 MB waiting, which interrupts all delivery of its node.
 */
export const MAX_BATCH_CHARACTERS = 64 * 1024;

export interface MailCourierParts extends Pick<Core, 'clock' | 'report'> {
  readonly bus: Pick<Bus, 'sendText'>;
  readonly lease: () => string;
  /** Takes what is for a user of this node: no message is needed for it. */
  readonly deliver: (batch: MailBatch) => void;
}

/**
 * Tells the owners' nodes what was appended to mailboxes (L9): all of one turn of the event loop for one node in one message. Lost
 * or late messages are healed by the receiver (L3, L4).
 */
export class MailCourier {
  private readonly parts: MailCourierParts;
  private waiting = new Map<string, string[]>();

  constructor(parts: MailCourierParts) {
    this.parts = parts;
  }

  send(mail: AppendedMail): void {
    const { userId, lease, epoch, first, prevTag, head, entries } = mail;
    if (lease === '') return;
    if (lease === this.parts.lease()) {
      this.deliver(mail);
      return;
    }
    if (this.waiting.size === 0) setImmediate(() => this.flush());
    const size = entries.reduce((sum, { text }) => sum + text.length, 0);
    const reported = size > MAX_BATCH_CHARACTERS ? [] : entries;
    const events = reported.map(({ tag, text }) => `["${tag}",${text}]`).join();
    const batch =
      `{"user":${JSON.stringify(userId)},"epoch":"${epoch}","first":${first},"prev_tag":"${prevTag}",` +
      `"head":${head},"events":[${events}]}`;
    const batches = this.waiting.get(lease);
    if (batches) batches.push(batch);
    else this.waiting.set(lease, [batch]);
  }

  /** Hands over what is for a user of this node. */
  deliver({ userId, epoch, first, prevTag, head, entries }: AppendedMail): void {
    const events = entries.map(({ tag, event }) => [tag, event] as const);
    try {
      this.parts.deliver({ user: userId, epoch, first, prev_tag: prevTag, head, events });
    } catch (error) {
      // As with a message of the bus: what fails to be delivered was appended all the same.
      this.parts.report(error, 'events.courier');
    }
  }

  private flush(): void {
    const { waiting } = this;
    this.waiting = new Map();
    for (const [lease, batches] of waiting) {
      let from = 0;
      let size = 0;
      for (const [index, { length }] of batches.entries()) {
        if (index > from && size + length > MAX_MESSAGE_CHARACTERS) {
          this.sendTogether(lease, batches.slice(from, index));
          from = index;
          size = 0;
        }
        size += length;
      }
      this.sendTogether(lease, batches.slice(from));
    }
  }

  private sendTogether(lease: string, batches: readonly string[]): void {
    const { bus, clock } = this.parts;
    bus.sendText(lease, withTime(`{"t":"user","boxes":[${batches.join()}]}`, clock.now()));
  }
}
