import type { Position } from '@unified-ws/protocol';
import type { Mailboxes } from '../../events/mailbox/mailboxes.js';
import type { Report } from '../../observability/log/logger.js';
import type { MailboxPosition } from './mailboxPosition.js';

/** A connection as it acknowledges. */
export interface Acknowledger {
  readonly id: string;
  readonly userId: string;
  readonly fence: string;
  readonly mail: MailboxPosition | null;
}

/** Acknowledgements of mailboxes (L8): one under way per connection, of those that come meanwhile the newest counts. */
export class Acks {
  /** Counters since the start, read by the metrics. */
  readonly counts = {
    stored: 0,
    /** Of another epoch or history, older than the last, or of a connection that is not current any more. */
    ignored: 0,
    failed: 0,
  };
  private readonly mailboxes: Pick<Mailboxes, 'ack'>;
  private readonly report: Report;
  /** By connection under way: what is to follow. */
  private readonly next = new Map<Acknowledger, Position | null>();

  constructor(mailboxes: Pick<Mailboxes, 'ack'>, report: Report) {
    this.mailboxes = mailboxes;
    this.report = report;
  }

  /** The client has everything up to `position`. Nobody waits for it: one that is lost is made good by the next. */
  take(connection: Acknowledger, position: Position): void {
    if (!wasSent(position, connection.mail)) {
      this.counts.ignored += 1;
      return;
    }
    const waiting = this.next.get(connection);
    if (waiting === undefined) void this.run(connection, position);
    else if (waiting === null || waiting.epoch !== position.epoch || position.offset > waiting.offset) {
      if (waiting) this.counts.ignored += 1;
      this.next.set(connection, position);
    } else this.counts.ignored += 1;
  }

  private async run(connection: Acknowledger, first: Position): Promise<void> {
    let position: Position | null = first;
    while (position) {
      this.next.set(connection, null);
      try {
        const { id: conn, fence, userId } = connection;
        const result = await this.mailboxes.ack(userId, { conn, fence }, position);
        if (result === 'stored') this.counts.stored += 1;
        else this.counts.ignored += 1;
      } catch (error) {
        this.counts.failed += 1;
        this.report(error, 'fanout.ack');
      }
      position = this.next.get(connection) ?? null;
    }
    this.next.delete(connection);
  }
}

/**
 * Whether it was sent to this connection. Beyond that it is ignored and not clamped: an acknowledgement from before a mailbox was
 * replaced would take what is written to a dead socket just then (L8).
 */
function wasSent(position: Position, last: MailboxPosition | null): boolean {
  if (last === null || position.offset === 0 || position.epoch !== last.epoch) return false;
  return position.offset < last.offset || (position.offset === last.offset && position.tag === last.tag);
}
